package runspec

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	specs "github.com/opencontainers/runtime-spec/specs-go"

	"cove/errdefs"
	"cove/runner/record"
)

func TestParseDevice(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]record.Device{
		"/dev/fuse":            {Source: "/dev/fuse", Target: "/dev/fuse", Access: "rwm"},
		"/dev/fuse:r":          {Source: "/dev/fuse", Target: "/dev/fuse", Access: "r"},
		"/dev/fuse:/dev/x":     {Source: "/dev/fuse", Target: "/dev/x", Access: "rwm"},
		"/dev/fuse:/dev/x:mw":  {Source: "/dev/fuse", Target: "/dev/x", Access: "mw"},
		"/dev/../dev/a/:/b/":   {Source: "/dev/a", Target: "/b", Access: "rwm"},
		"/dev/fuse:":           {},
		"/dev/fuse:x":          {},
		"/dev/fuse:/dev/x:":    {},
		"/dev/fuse:/dev/x:rr":  {},
		"/dev/fuse:/dev/x:rx":  {},
		"/dev/fuse:/x:rwm:rwm": {},
		"fuse":                 {},
		"":                     {},
	} {
		got, err := ParseDevice(text)
		if refused := want == (record.Device{}); refused != errors.Is(err, errdefs.ErrInvalid) || !refused && got != want {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
	if _, err := ParseDevice("vendor.com/class=all"); !errors.Is(err, errdefs.ErrUnsupported) {
		t.Errorf("a device by name: %v", err)
	}
}

func TestParseDeviceRule(t *testing.T) {
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
		got, err := ParseDeviceRule(text)
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

func TestParseDeviceRate(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		text  string
		bytes bool
		want  uint64
		ok    bool
	}{
		{"/dev/sda:1mb", true, 1 << 20, true},
		{"/dev/sda:100", true, 100, true},
		{"/dev/sda:100", false, 100, true},
		{"/dev/sda:1mb", false, 0, false},
		{"/dev/sda:-1", true, 0, false},
		{"/dev/sda:-1", false, 0, false},
		{"/dev/sda", true, 0, false},
		{"sda:1", true, 0, false},
		{":1", true, 0, false},
	} {
		got, err := ParseDeviceRate(tc.text, tc.bytes)
		if tc.ok != (err == nil) || tc.ok && (got.Rate != tc.want || got.Path != "/dev/sda") {
			t.Errorf("%q: %+v, %v", tc.text, got, err)
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
