import type { ReportData } from './data.js';
import { calibrationSection, classSection } from './sections/classes.js';
import { dataSection, modelSection, runSection } from './sections/cards.js';
import { mapSection } from './sections/map.js';
import type { Section } from './sections/section.js';
import { scoreSection, summarySection } from './sections/summary.js';
import { trainingSection } from './sections/training.js';
import { renderSheet } from './sheet.js';

/**
 * The report as one HTML document: drawings inline, one style sheet inline, no script, nothing fetched from anywhere.
 * A pure function: the same data give the same bytes.
 */
export async function renderReport(data: ReportData): Promise<string> {
  const candidates = [
    await summarySection(data),
    scoreSection(data),
    await classSection(data),
    await mapSection(data),
    await calibrationSection(data),
    await trainingSection(data),
    dataSection(data),
    modelSection(data),
    runSection(data),
  ];
  const sections = candidates.filter((section): section is Section => section !== undefined);
  return renderSheet({ title: data.title, subtitle: data.subtitle, sections });
}
