import { DataError } from '../../errors.js';
import { EntrySpool } from './entry-spool.js';
import { offsetsOf, SpooledMatrix, type SpooledEntries } from './matrix-spooled.js';
import type { CellFile, CellMatrix, MatrixInfo, MatrixKey, ObsColumn } from './reader.js';
import type { MatrixPlace } from './row-block.js';
import { ORIENTATIONS, tellOrientation, type Orientation } from './table-orientation.js';
import { parseTable, readTableHeader } from './table-text.js';

/**
 * A table of text (.csv, .tsv, .txt, perhaps with .gz): one line a cell and one column a gene, or the other way round. Opening reads it
 * once, since the names of its lines are all over it, and keeps its numbers in a temporary file.
 */
export class TableFile implements CellFile {
  readonly format = 'table';
  readonly numCells: number;
  readonly obsKeys: readonly string[] = [];
  readonly matrices: readonly MatrixInfo[];

  private constructor(
    readonly path: string,
    readonly cellIds: readonly string[],
    private readonly geneNames: readonly string[],
    private readonly entries: SpooledEntries,
    isInteger: boolean,
    readonly notes: readonly string[],
  ) {
    this.numCells = cellIds.length;
    this.matrices = [{ key: 'X', numGenes: geneNames.length, encoding: 'dense', dtype: isInteger ? 'int64' : 'float64' }];
  }

  /**
   * @param part where the genes are, as the user says; undefined: told from the names
   * @throws DataError when it is no table, or nothing tells where the genes are
   */
  static async open(path: string, file: string, part: string | undefined): Promise<TableFile> {
    if (part !== undefined && !ORIENTATIONS.includes(part as Orientation))
      throw new DataError({ file: path, found: `there is no part '${part}' of a table`, expected: ORIENTATIONS.join(' or ') });
    const layout = await readTableHeader(file);
    const { columnNames } = layout;
    const lineNames: string[] = [];
    const perLine: number[] = [];
    const perColumn = new Float64Array(columnNames.length);
    const spool = new EntrySpool();
    const notes: string[] = [];
    let isInteger = true;
    try {
      const onLine = (name: string): void => {
        lineNames.push(name);
        perLine.push(0);
      };
      await parseTable(
        file,
        layout,
        onLine,
        (line, column, value) => {
          perLine[line]!++;
          perColumn[column]!++;
          if (!Number.isInteger(value)) isInteger = false;
          spool.add(line, column, value);
        },
        () => notes.push('its last line has no end: is the file whole?'),
      );
      spool.finish();
      const { orientation, evidence } =
        part === undefined ? tellOrientation(file, lineNames, columnNames) : { orientation: part as Orientation, evidence: undefined };
      if (evidence !== undefined) notes.unshift(`genes are in ${orientation === 'genes-in-rows' ? 'rows' : 'columns'}, told from ${evidence}`);
      return orientation === 'genes-in-columns'
        ? new TableFile(path, lineNames, columnNames, { spool, cellIs: 'major', areByCell: true, offsets: offsetsOf(perLine) }, isInteger, notes)
        : new TableFile(path, columnNames, lineNames, { spool, cellIs: 'minor', areByCell: false, offsets: offsetsOf(perColumn) }, isInteger, notes);
    } catch (error) {
      spool.close();
      throw error;
    }
  }

  obs(key: string): ObsColumn {
    throw new DataError({ file: this.path, key: `obs['${key}']`, found: 'no such column: a table of numbers holds no annotation of cells' });
  }

  matrix(key: MatrixKey): CellMatrix {
    if (key !== 'X') throw new DataError({ file: this.path, key, found: 'no such matrix', expected: 'X, the only one of a table' });
    const place: MatrixPlace = { file: this.path, key, cellIds: this.cellIds, genes: { names: this.geneNames }, numColumns: this.geneNames.length };
    return new SpooledMatrix(async () => this.entries, place, this.numCells, 'dense', this.matrices[0]!.dtype);
  }

  close(): void {
    this.entries.spool.close();
  }
}
