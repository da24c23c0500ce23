package parse

import (
	"errors"
	"slices"
	"testing"

	"cove/errdefs"
	"cove/runner/record"
)

func TestNamedDevices(t *testing.T) {
	t.Parallel()
	paths, named := Devices([]string{"/dev/a=b", "v.com/c=d", "x"})
	if !slices.Equal(paths, []string{"/dev/a=b", "x"}) || !slices.Equal(named, []string{"v.com/c=d"}) {
		t.Errorf("%q %q", paths, named)
	}
	for text, want := range map[string][]string{
		"": nil, "all": {"nvidia.com/gpu=all"}, "-1": {"nvidia.com/gpu=all"}, "2": {"nvidia.com/gpu=0", "nvidia.com/gpu=1"},
		"device=1": {"nvidia.com/gpu=1"}, `"device=0,v.com/gpu=x"`: {"nvidia.com/gpu=0", "v.com/gpu=x"},
	} {
		if got, err := GPUs(text); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %q, %v", text, got, err)
		}
	}
	for _, text := range []string{"0", "-2", "some", "device="} {
		if _, err := GPUs(text); !errors.Is(err, errdefs.ErrInvalid) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestDevice(t *testing.T) {
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
		got, err := Device(text)
		if refused := want == (record.Device{}); refused != errors.Is(err, errdefs.ErrInvalid) || !refused && got != want {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
}

func TestDeviceRate(t *testing.T) {
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
		got, err := DeviceRate(tc.text, tc.bytes)
		if tc.ok != (err == nil) || tc.ok && (got.Rate != tc.want || got.Path != "/dev/sda") {
			t.Errorf("%q: %+v, %v", tc.text, got, err)
		}
	}
}
