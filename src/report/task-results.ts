import type { TaskResult } from '../tasks/finetune/methods.js';
import { annotationSections, type AnnotationJson } from './annotation-results.js';
import type { ReportData, Scores } from './data.js';

type Sections = Pick<ReportData, 'scores' | 'classes' | 'calibration'>;

/** What some tasks show beside the table of methods that all of them have. */
const OWN_SECTIONS: Readonly<Record<string, (result: never) => Sections>> = {
  annotation: (result: AnnotationJson) => annotationSections(result),
};

/** A task's result file in the words of a report. */
export function resultSections(result: TaskResult): Sections {
  return OWN_SECTIONS[result.task]?.(result as never) ?? { scores: methodScores(result) };
}

/** The table of methods. */
function methodScores({ split, numCells, headline, methods }: TaskResult): Scores {
  return { split, numCells: numCells[split], headline, methods: methods.map(({ title, kind, runs }) => ({ name: title, kind, runs })) };
}
