package runflags

import (
	"errors"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"cove/errdefs"
)

// TestEmptyValues gives every flag that takes a text an empty one. The table has what docker
// 28.2 takes (of a daemon of 20.10, which it was tried with); all others are refused, those
// that can be given several times with a reason.
func TestEmptyValues(t *testing.T) {
	t.Parallel()
	taken := map[string]bool{}
	for _, name := range strings.Fields(`name workdir user entrypoint hostname domainname ip ip6 mac-address stop-signal
		log-driver cidfile platform runtime restart pull cgroup-parent cgroupns cpuset-cpus cpuset-mems health-cmd ipc pid
		uts userns volume-driver isolation dns-option`) {
		taken[name] = true
	}
	taken["health-on-failure"] = true // docker has no such flag
	// What these have of an empty text is found later, by who knows networks and devices.
	later := map[string]bool{"network-alias": true, "link-local-ip": true}
	all := pflag.NewFlagSet("run", pflag.ContinueOnError)
	new(Flags).Register(all)
	seen := 0
	all.VisitAll(func(flag *pflag.Flag) {
		if typ := flag.Value.Type(); typ == "bool" || typ == "int" || later[flag.Name] {
			return
		}
		seen++
		var f Flags
		fs := pflag.NewFlagSet("run", pflag.ContinueOnError)
		f.Register(fs)
		err := fs.Parse([]string{"--" + flag.Name, ""})
		if err == nil {
			_, err = f.Options("redis", []string{"sh"})
		}
		switch {
		case taken[flag.Name] != (err == nil):
			t.Errorf("--%s '': %v, docker takes it: %v", flag.Name, err, taken[flag.Name])
		case empties[flag.Name] != "" && (!errors.Is(err, errdefs.ErrInvalid) || !strings.Contains(err.Error(), empties[flag.Name])):
			t.Errorf("--%s '': %v, want %s", flag.Name, err, empties[flag.Name])
		}
		delete(taken, flag.Name)
	})
	if seen < 60 {
		t.Errorf("only %d flags were seen", seen)
	}
	for name := range taken {
		t.Errorf("there is no flag --%s", name)
	}
}
