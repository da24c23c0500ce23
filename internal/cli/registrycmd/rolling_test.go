package registrycmd

import (
	"flag"
	"os"
	"testing"

	"github.com/opencontainers/go-digest"
)

var olderRelease = flag.String("older", "", "the `program` registry of an older release, beside which this one serves")

// replace stops a server as systemd does, and starts another program in its place.
func (p *pair) replace(i int, program string) {
	p.t.Helper()
	p.servers[i].Swap(nil).Stop()
	p.programs[i] = program
	p.start(i)
}

// TestRollingUpgrade replaces two servers of an older release one after the other, which
// brings the schema up beneath the one that still runs, and then takes the first back, while
// clients send each request to any of them. What was acknowledged is at both, after each step.
func TestRollingUpgrade(t *testing.T) {
	t.Parallel()
	older := *olderRelease
	if older == "" {
		t.Skip("needs a registry of an older release: make soak builds it")
	}
	p := newPairOf(t, "{interval: 1s}", older)
	l := &ledger{blobs: map[string]digest.Digest{}, manifests: map[string]digest.Digest{}}
	for _, step := range []struct {
		name    string
		server  int
		program string
	}{
		{"the first is replaced", 0, os.Args[0]},
		{"the second is replaced", 1, os.Args[0]},
		{"the first is taken back", 0, older},
		{"and replaced again", 0, os.Args[0]},
	} {
		stop := p.pushing(l)
		more := func() {
			before := l.size()
			waitFor(t, "ten more blobs", func() bool { return l.size() >= before+10 })
		}
		more()
		p.replace(step.server, step.program)
		more()
		stop()
		lost := l.verify(p.servers[0].Load(), true) + l.verify(p.servers[1].Load(), true)
		t.Logf("%s: %d blobs and %d manifests acknowledged, %d lost", step.name, len(l.blobs), len(l.manifests), lost)
	}
}
