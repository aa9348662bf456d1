// Asynchronous copies and cooperative groups, whose headers not every CUDA installation has.
#include <cooperative_groups.h>
#include <cooperative_groups/reduce.h>
#include <cuda_pipeline.h>

namespace cg = cooperative_groups;

// out[0] = the sum of x (rows, 128) by one warp, the next row always under way (cp.async).
extern "C" __global__ void prefetched_sum(const float *x, float *out, int rows) {
  __shared__ __align__(16) float s[2][128];
  const cg::thread_block block = cg::this_thread_block();
  const auto warp = cg::tiled_partition<32>(block);
  float sum = 0;
  __pipeline_memcpy_async(&s[0][threadIdx.x * 4], x + threadIdx.x * 4, 16);
  __pipeline_commit();
  for (int r = 0; r < rows; r++) {
    if (r + 1 < rows)
      __pipeline_memcpy_async(&s[(r + 1) & 1][threadIdx.x * 4], x + (r + 1) * 128 + threadIdx.x * 4, 16);
    __pipeline_commit();
    __pipeline_wait_prior(1);
    block.sync();
    for (int j = 0; j < 4; j++) sum += s[r & 1][threadIdx.x + 32 * j];
    block.sync();
  }
  sum = cg::reduce(warp, sum, cg::plus<float>());
  if (warp.thread_rank() == 0) out[0] = sum;
}
