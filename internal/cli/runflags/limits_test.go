package runflags

import (
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// TestOddLimits types what docker takes though it looks odd, and what it refuses though it is nothing.
func TestOddLimits(t *testing.T) {
	t.Parallel()
	read := func(args ...string) (Flags, error) {
		var f Flags
		fs := pflag.NewFlagSet("run", pflag.ContinueOnError)
		f.Register(fs)
		err := fs.Parse(args)
		return f, err
	}
	for _, flag := range []string{"--memory", "--memory-swap", "--memory-reservation", "--shm-size", "--cpus", "--gpus"} {
		if _, err := read(flag, ""); err == nil || !strings.Contains(err.Error(), "it is empty") {
			t.Errorf("%s '': %v", flag, err)
		}
	}
	for text, want := range map[string]float64{"1/2": 0.5, "3/4": 0.75, "2": 2, ".5": 0.5} {
		if n, err := rational(text); err != nil || n != want {
			t.Errorf("%s is %v, %v; want %v", text, n, err, want)
		}
	}
	if n, err := rational("1/x"); err == nil {
		t.Errorf("1/x is %v", n)
	}
	f, err := read("--pids-limit", "-2", "--tmpfs", "/x:size=1m", "--tmpfs", "/y", "--tmpfs", "/x/:uid=5")
	if err != nil {
		t.Fatal(err)
	}
	o, err := f.Options("image", nil)
	if err != nil || o.Resources.PidsLimit != -1 || len(o.Tmpfs) != 2 || o.Tmpfs[0].Target != "/y" ||
		!slices.Equal(o.Tmpfs[1].Options, []string{"uid=5"}) {
		t.Errorf("%v %+v, %v", o.Resources.PidsLimit, o.Tmpfs, err)
	}
}
