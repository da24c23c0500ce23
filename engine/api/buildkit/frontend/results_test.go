package frontend_test

import (
	"testing"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/solver/pb"

	"cove/engine/api/buildkit/frontend"
)

// TestDefinitions: a definition stands for one result through BuildKit's own library, and
// with anything done to it for none.
func TestDefinitions(t *testing.T) {
	t.Parallel()
	through := func(change func(llb.State) llb.State) *pb.Definition {
		def, err := frontend.DefinitionOf("some-result")
		if err != nil {
			t.Fatal(err)
		}
		op, err := llb.NewDefinitionOp(def)
		if err != nil {
			t.Fatal(err)
		}
		made, err := change(llb.NewState(op)).Marshal(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return made.ToPB()
	}
	for want, def := range map[string]*pb.Definition{
		"some-result": through(func(s llb.State) llb.State { return s }),
		"":            through(func(s llb.State) llb.State { return s.File(llb.Mkdir("/x", 0o755)) }),
	} {
		if got := frontend.ResultOf(def); got != want {
			t.Errorf("it stands for %q, want %q", got, want)
		}
	}
	for _, def := range []*pb.Definition{nil, {}, {Def: [][]byte{[]byte("nonsense")}}, through(func(llb.State) llb.State { return llb.Image("x") })} {
		if got := frontend.ResultOf(def); got != "" {
			t.Errorf("%v stands for %q", def, got)
		}
	}
}
