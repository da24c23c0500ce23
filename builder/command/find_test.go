package command

import (
	"context"
	"errors"
	"testing"

	"cove/builder/plan"
	"cove/errdefs"
)

// keeper has the secrets that it lists; the value "broken" cannot be read.
type keeper map[string]string

func (k keeper) Secret(_ context.Context, id string) ([]byte, error) {
	value, ok := k[id]
	switch {
	case !ok:
		return nil, errdefs.Errorf(errdefs.ErrNotFound, "no secret %q", id)
	case value == "broken":
		return nil, errdefs.Errorf(errdefs.ErrUnavailable, "the client went away")
	}
	return []byte(value), nil
}

func (k keeper) Agent(context.Context, string) (Agent, error) {
	return nil, errdefs.Errorf(errdefs.ErrNotFound, "no agent")
}

func TestFindAsksForWhatIsMounted(t *testing.T) {
	t.Parallel()
	graph := func(ids ...string) *plan.Graph {
		run := &plan.Run{Mounts: []plan.RunMount{{Type: "ssh", ID: "default"}, {Type: "cache", ID: "unasked"}}}
		for _, id := range ids {
			run.Mounts = append(run.Mounts, plan.RunMount{Type: "secret", ID: id})
		}
		return &plan.Graph{Vertices: []*plan.Vertex{{Op: &plan.Workdir{}}, {Op: run}}}
	}
	given := map[string][]byte{"mine": []byte("given")}
	known, from := Known{Secrets: given}, keeper{"mine": "found", "asked": "found", "unasked": "found", "bad": "broken"}
	got, err := Find(t.Context(), from, known, graph("mine", "asked", "missing"))
	if err != nil {
		t.Fatal(err)
	}
	if string(got.Secrets["mine"]) != "given" || string(got.Secrets["asked"]) != "found" || len(got.Secrets) != 2 || len(got.Agents) != 0 {
		t.Errorf("secrets %q, agents %v", got.Secrets, got.Agents)
	}
	if len(given) != 1 {
		t.Error("the map that was given was changed")
	}
	if _, err := Find(t.Context(), from, known, graph("bad")); !errors.Is(err, errdefs.ErrUnavailable) {
		t.Errorf("a secret that cannot be read: %v", err)
	}
	if got, err := Find(t.Context(), nil, Known{}, graph("x")); err != nil || got.Secrets != nil {
		t.Errorf("without a finder: %v %v", got.Secrets, err)
	}
}
