package io.sails4j.ffi;

/** The section "optimizer" of {@code sails.h}: projections and AdamW. */
public interface OptimizerFunctions {
    @Symbol("sails_project_workspace_bytes")
    long projectWorkspaceBytes(long d, long rS, long n);

    @Symbol("sails_project")
    void project(long y, long g, long basis, long d, long rS, long n, int right, long workspace, long workspaceBytes);

    @Symbol("sails_project_set_workspace_bytes")
    long projectSetWorkspaceBytes(long[] d, long[] rS, long[] n, long count);

    @Symbol("sails_project_set")
    void projectSet(long[] ys, long[] gs, long[] bases, long[] d, long[] rS, long[] n, int[] right, long count, long workspace,
        long workspaceBytes);

    @Symbol("sails_adamw_rates")
    void adamwRates(long rates, long step, double gradScale, double lr, double beta1, double beta2, double eps, double weightDecay);

    @Symbol("sails_adamw")
    void adamw(long[] params, long[] m, long[] v, long[] grads, long rates, long[] sizes, long count);

    @Symbol("sails_adamw_projected_workspace_bytes")
    long adamwProjectedWorkspaceBytes(long[] d, long[] rS, long[] n, long count);

    @Symbol("sails_adamw_projected")
    void adamwProjected(long[] params, long[] m, long[] v, long[] grads, long[] bases, long rates, long[] d, long[] rS, long[] n,
        int[] right, long count, int projection, long workspace, long workspaceBytes);

    @Symbol("sails_adamw_8bit")
    void adamw8bit(long[] params, long[] m, long[] v, long[] mAbsmax, long[] vAbsmax, long[] grads, long mCode, long vCode, long rates,
        long[] sizes, long count);
}
