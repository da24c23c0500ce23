package span_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"cove/registry/span"
)

// note is a span that writes down what is told.
type note struct {
	all  *[]string
	name string
}

func (n note) Child(_ span.Kind, detail string) span.Span { return note{n.all, n.name + "/" + detail} }

func (n note) End(err error) {
	text := n.name
	if err != nil {
		text += ": " + err.Error()
	}
	*n.all = append(*n.all, text)
}

func TestSpans(t *testing.T) {
	t.Parallel()
	var all []string
	ctx := span.With(t.Context(), note{&all, "request"})
	within, end := span.Start(ctx, span.Database, "transaction")
	_, endStatement := span.Start(within, span.Database, "SELECT 1")
	endStatement(errors.New("gone"))
	end(nil)
	_, endBlob := span.Start(span.Carry(context.Background(), ctx), span.Upstream, "docker.io blob")
	endBlob(nil)
	want := []string{"request/transaction/SELECT 1: gone", "request/transaction", "request/docker.io blob"}
	if !slices.Equal(all, want) {
		t.Errorf("%q, want %q", all, want)
	}
}

// Work implements span.Beginner.
func (n note) Work(name, about string) span.Span { return note{n.all, name + " of " + about} }

// TestWork: what no request asked for is a span of its own, whatever began it.
func TestWork(t *testing.T) {
	t.Parallel()
	var all []string
	ctx := span.WithBeginner(span.With(t.Context(), note{&all, "request"}), note{&all, ""})
	within, end := span.Work(ctx, "job", "rule 7")
	_, endStatement := span.Start(within, span.Database, "SELECT 1")
	endStatement(nil)
	end(errors.New("gone"))
	if want := []string{"job of rule 7/SELECT 1", "job of rule 7: gone"}; !slices.Equal(all, want) {
		t.Errorf("%q, want %q", all, want)
	}
	if _, end := span.Work(span.WithBeginner(t.Context(), nil), "job", "rule 7"); span.Of(t.Context()) != nil {
		t.Error("somebody listens")
	} else {
		end(nil)
	}
}

// TestNobodyListens: then a context is left as it is, and nothing is allocated.
func TestNobodyListens(t *testing.T) {
	ctx := t.Context()
	n := testing.AllocsPerRun(100, func() {
		within, end := span.Start(span.Carry(ctx, ctx), span.Store, "open")
		if end(nil); within != ctx {
			t.Error("another context")
		}
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}
