package runspec

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	specs "github.com/opencontainers/runtime-spec/specs-go"

	"cove/errdefs"
	"cove/runner/record"
)

func TestDeviceRule(t *testing.T) {
	t.Parallel()
	n := func(i int64) *int64 { return &i }
	for text, want := range map[string]*specs.LinuxDeviceCgroup{
		"c 1:3 rwm":        {Allow: true, Type: "c", Major: n(1), Minor: n(3), Access: "rwm"},
		"b 8:* r":          {Allow: true, Type: "b", Major: n(8), Access: "r"},
		"a *:* m":          {Allow: true, Type: "a", Access: "m"},
		"d 1:3 r":          nil,
		"c 1 r":            nil,
		"c 1:-3 r":         nil,
		"c 4294967296:0 r": nil,
		"c 1:3":            nil,
		"c 1:3 x":          nil,
		"c 1:3 r w":        nil,
		"":                 nil,
	} {
		got, err := parseDeviceRule(text)
		if want == nil {
			if !errors.Is(err, errdefs.ErrInvalid) {
				t.Errorf("%q: %+v, %v", text, got, err)
			}
			continue
		}
		if diff := cmp.Diff(*want, got); err != nil || diff != "" {
			t.Errorf("%q: %v\n%s", text, err, diff)
		}
	}
}

// TestBlockLimits: the paths of devices become their numbers.
func TestBlockLimits(t *testing.T) {
	t.Parallel()
	rate := []record.DeviceRate{{Path: "/dev/sda", Rate: 500}}
	r := record.Resources{BlkioWeights: rate, ReadBps: rate, WriteBps: rate, ReadIOps: rate, WriteIOps: rate}
	b := blockIO(r, map[string]Device{"/dev/sda": {Major: 8, Minor: 16}})
	for _, list := range [][]specs.LinuxThrottleDevice{
		b.ThrottleReadBpsDevice, b.ThrottleWriteBpsDevice, b.ThrottleReadIOPSDevice, b.ThrottleWriteIOPSDevice,
	} {
		if len(list) != 1 || list[0].Major != 8 || list[0].Minor != 16 || list[0].Rate != 500 {
			t.Errorf("%+v", list)
		}
	}
	if w := b.WeightDevice; len(w) != 1 || w[0].Minor != 16 || *w[0].Weight != 500 {
		t.Errorf("%+v", w)
	}
	if b := blockIO(record.Resources{}, nil); b != nil {
		t.Errorf("nothing asked: %+v", b)
	}
}
