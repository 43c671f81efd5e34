// node --import report-peak.mjs …: writes the most memory the process ever held, in bytes, to the file named by PEAK_FILE when it ends.
import { writeFileSync } from 'node:fs';

process.on('exit', () => writeFileSync(process.env.PEAK_FILE, String(process.resourceUsage().maxRSS * 1024)));
