import type { TopLevelSpec } from 'vega-lite';
import type { Calibration } from '../data.js';
import type { Html } from '../html.js';
import { formatScore } from '../numbers.js';
import { ACCENT, MUTED, SURFACE } from './palette.js';
import { renderSvg } from './svg.js';

/** Share of right predictions against the confidence the model gave; on the diagonal the two agree. */
export async function drawCalibration(calibration: Calibration, id: string): Promise<Html> {
  const bins = calibration.bins.filter((bin) => bin.numCells > 0);
  const x = { field: 'confidence', type: 'quantitative' as const, title: 'confidence', scale: { domain: [0, 1] }, axis: { tickCount: 5, labelFlush: false } };
  const y = { field: 'accuracy', type: 'quantitative' as const, title: 'share that was right', scale: { domain: [0, 1] }, axis: { tickCount: 5 } };
  const spec: TopLevelSpec = {
    width: 300,
    height: 300,
    layer: [
      {
        data: {
          values: [
            { confidence: 0, accuracy: 0 },
            { confidence: 1, accuracy: 1 },
          ],
        },
        mark: { type: 'line', color: MUTED, strokeDash: [5, 4], strokeWidth: 1.5 },
        encoding: { x, y },
      },
      {
        data: { values: bins },
        layer: [
          {
            mark: { type: 'circle', color: ACCENT, opacity: 1, stroke: SURFACE, strokeWidth: 1.5 },
            encoding: { x, y, size: { field: 'numCells', type: 'quantitative', scale: { range: [30, 420], zero: true }, legend: null } },
          },
          { mark: { type: 'text', align: 'left', dx: 12, dy: 12, color: MUTED, fontSize: 11 }, encoding: { x, y, text: { field: 'numCells' } } },
        ],
      },
    ],
  };
  const points = bins.map((bin) => `confidence ${formatScore(bin.confidence)}: ${formatScore(bin.accuracy)} right (${bin.numCells} cells)`);
  return renderSvg(spec, { id, title: 'Calibration', description: points.join('; ') });
}
