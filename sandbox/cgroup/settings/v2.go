package settings

import (
	"fmt"
	"math"
	"strconv"

	"github.com/opencontainers/runtime-spec/specs-go"

	"cove/errdefs"
)

// swapAlone is v2's limit, where the spec counts memory and swap together.
func (t *translation) swapAlone(m *specs.LinuxMemory) string {
	switch {
	case *m.Swap < 0:
		return "max"
	case m.Limit == nil || *m.Limit < 0:
		t.fail(errdefs.ErrInvalid, "limit memory-swap: needs a limit of memory too")
		return ""
	case *m.Swap < *m.Limit:
		t.fail(errdefs.ErrInvalid, "limit memory-swap: %d is less than the memory limit %d, which it includes", *m.Swap,
			*m.Limit)
		return ""
	}
	return strconv.FormatInt(*m.Swap-*m.Limit, 10)
}

// weight maps shares [2, 262144] to a weight [1, 10000], and the usual 1024 to the usual 100:
// by a power of ten whose exponent is quadratic in log2(shares), as other runtimes do.
func weight(shares uint64) uint64 {
	l := math.Log2(float64(min(max(shares, 2), 262144)))
	return uint64(math.Ceil(math.Pow(10, (l*l+125*l)/612-7.0/34)))
}

// quotaV2 is quota and period in one.
func quotaV2(c *specs.LinuxCPU) string {
	quota, period := "max", uint64(100000)
	if c.Quota != nil && *c.Quota > 0 {
		quota = strconv.FormatInt(*c.Quota, 10)
	}
	if c.Period != nil && *c.Period != 0 {
		period = *c.Period
	}
	return fmt.Sprintf("%s %d", quota, period)
}

// ioWeight maps a weight [10, 1000] of v1 to [1, 10000].
func ioWeight(weight uint16) string {
	return strconv.Itoa(1 + (int(weight)-10)*9999/990)
}
