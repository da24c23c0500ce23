package runspec

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	specs "github.com/opencontainers/runtime-spec/specs-go"

	"cove/errdefs"
	"cove/runner/record"
)

func TestUpdated(t *testing.T) {
	t.Parallel()
	had := record.Resources{Memory: 64 << 20, PidsLimit: 10, CPUShares: 512, ShmSize: 1 << 20, NanoCPUs: 5e8}
	got, changed, err := Updated(had, record.Resources{Memory: 128 << 20, PidsLimit: -1, Cpuset: "0"})
	want := record.Resources{Memory: 128 << 20, PidsLimit: -1, CPUShares: 512, ShmSize: 1 << 20, NanoCPUs: 5e8, Cpuset: "0"}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
	now := Limits(changed)
	if *now.Memory.Limit != 128<<20 || *now.Memory.Swap != 256<<20 || *now.Pids.Limit != -1 || now.CPU.Cpus != "0" ||
		now.CPU.Shares != nil || now.CPU.Quota != nil || now.BlockIO != nil {
		t.Errorf("the groups are told %+v %+v", now.Memory, now.CPU)
	}
	for name, tt := range map[string]struct{ had, change record.Resources }{
		"a period beside CPUs": {had, record.Resources{CPUPeriod: 1e5}},
		"a quota beside CPUs":  {had, record.Resources{CPUQuota: 1e5}},
		"memory above swap":    {record.Resources{Memory: 1, MemorySwap: 2}, record.Resources{Memory: 3}},
	} {
		if _, _, err := Updated(tt.had, tt.change); !errors.Is(err, errdefs.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, _, err := Updated(record.Resources{Memory: 1, MemorySwap: 2}, record.Resources{Memory: 3, MemorySwap: -1}); err != nil {
		t.Errorf("memory with swap: %v", err)
	}
}

func TestRelimited(t *testing.T) {
	t.Parallel()
	weight, rate := uint16(10), specs.LinuxThrottleDevice{Rate: 5}
	spec := &specs.LinuxResources{
		Devices: []specs.LinuxDeviceCgroup{{Allow: true}},
		BlockIO: &specs.LinuxBlockIO{Weight: &weight, ThrottleReadBpsDevice: []specs.LinuxThrottleDevice{rate}},
	}
	got := Relimited(spec, record.Resources{BlkioWeight: 500, Memory: 1 << 30})
	if len(got.Devices) != 1 || *got.BlockIO.Weight != 500 || len(got.BlockIO.ThrottleReadBpsDevice) != 1 ||
		*got.Memory.Limit != 1<<30 || weight != 10 || *spec.BlockIO.Weight != 10 {
		t.Errorf("%+v %+v", got, got.BlockIO)
	}
	if got := Relimited(nil, record.Resources{PidsLimit: 7}); *got.Pids.Limit != 7 {
		t.Errorf("%+v", got)
	}
}
