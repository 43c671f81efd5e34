import { describe, expect, it } from 'vitest';
import { expectClose } from './expect-close.js';

describe('expectClose', () => {
  it('accepts entries within atol + rtol · |expected|', () => {
    expectClose([1, 100], [1.001, 100.9], { atol: 0.01, rtol: 0.01 });
  });

  it('names the worst entry', () => {
    const actual = { dtype: 'float32', shape: [2, 2], data: [0, 0, 0, 3] };
    const expected = { dtype: 'float32', shape: [2, 2], data: [0, 1, 0, 0] };
    expect(() => expectClose(actual, expected, { atol: 0.1 })).toThrow(/2 of 4 entries differ; worst at \[1,1\]: 3, expected 0/);
  });

  it('never accepts NaN, not even against NaN or a boundless tolerance', () => {
    expect(() => expectClose([NaN], [1], { atol: Infinity })).toThrow(/NaN/);
    expect(() => expectClose([NaN], [NaN], { atol: 1 })).toThrow(/NaN/);
  });

  it('tells the two infinities apart', () => {
    expectClose([Infinity, -Infinity], [Infinity, -Infinity], {});
    expect(() => expectClose([Infinity], [-Infinity], { atol: Infinity })).toThrow(/Infinity/);
    expect(() => expectClose([1], [Infinity], { rtol: 1 })).toThrow(/Infinity/);
  });

  it('checks shape, dtype and length', () => {
    expect(() => expectClose({ dtype: 'float32', shape: [2], data: [1, 2] }, { dtype: 'float32', shape: [2, 1], data: [1, 2] }, {})).toThrow(
      /shape \[2\], expected \[2,1\]/,
    );
    expect(() => expectClose({ dtype: 'int32', shape: [1], data: [1] }, { dtype: 'float32', shape: [1], data: [1] }, {})).toThrow(/dtype int32/);
    expect(() => expectClose([1], [1, 2], {})).toThrow(/1 entries, expected 2/);
  });
});
