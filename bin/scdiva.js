#!/usr/bin/env node
import { main } from '../dist/cli/main.js';
import { printWarnings } from '../dist/cli/warnings.js';

printWarnings();
process.exitCode = await main(process.argv.slice(2));
