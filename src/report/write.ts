import { writeFileAtomic } from '../files.js';
import type { ReportData } from './data.js';
import { renderReport } from './page.js';

/** @throws OutputError when `path` cannot be written */
export async function writeReport(path: string, data: ReportData): Promise<void> {
  await writeFileAtomic(path, await renderReport(data));
}
