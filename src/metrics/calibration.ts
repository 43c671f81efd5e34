/** One bar of a reliability diagram: predictions whose confidence lies in (lower, upper]; the first bin holds 0 too. */
export interface ReliabilityBin {
  readonly lower: number;
  readonly upper: number;
  readonly numCells: number;
  /** Means over the bin's cells; 0 when it is empty. */
  readonly confidence: number;
  readonly accuracy: number;
}

/**
 * Confidence against accuracy in bins of equal width.
 * @param confidence probability given to the predicted class, 0 … 1, one per cell
 * @param isCorrect 1 where that prediction was right, else 0
 * @param numBins default 15 (Guo et al., "On Calibration of Modern Neural Networks", 2017)
 */
export function reliabilityBins(confidence: ArrayLike<number>, isCorrect: ArrayLike<number>, numBins = 15): ReliabilityBin[] {
  if (confidence.length !== isCorrect.length) throw new RangeError(`${confidence.length} confidences but ${isCorrect.length} outcomes`);
  const sums = Array.from({ length: numBins }, () => ({ numCells: 0, confidence: 0, accuracy: 0 }));
  for (let i = 0; i < confidence.length; i++) {
    const p = confidence[i]!;
    if (!(p >= 0 && p <= 1)) throw new RangeError(`confidence ${p} is not in 0 … 1`);
    const next = Math.ceil(p * numBins);
    // p · numBins may be rounded up past an edge that p itself does not pass.
    const bin = sums[Math.max(0, p <= (next - 1) / numBins ? next - 2 : next - 1)]!;
    bin.numCells++;
    bin.confidence += p;
    bin.accuracy += isCorrect[i] ? 1 : 0;
  }
  return sums.map(({ numCells, ...sum }, i) => ({
    lower: i / numBins,
    upper: (i + 1) / numBins,
    numCells,
    confidence: numCells ? sum.confidence / numCells : 0,
    accuracy: numCells ? sum.accuracy / numCells : 0,
  }));
}

/** Mean over cells of |accuracy - confidence| of the cell's bin; 0 is perfectly calibrated. */
export function expectedCalibrationError(confidence: ArrayLike<number>, isCorrect: ArrayLike<number>, numBins = 15): number {
  if (confidence.length === 0) throw new RangeError('no cell to score');
  const bins = reliabilityBins(confidence, isCorrect, numBins);
  return bins.reduce((sum, bin) => sum + bin.numCells * Math.abs(bin.accuracy - bin.confidence), 0) / confidence.length;
}
