// Package span says what takes how long within a request or a job: statements of the
// database, bytes of the storage, questions to other registries.
//
// A request has a span in its context where the registry was built to send traces
// elsewhere (package otlp, which the build tag otel links). Without one nothing here
// costs more than a look at the context.
package span

import "context"

// Kind is of whom something is asked.
type Kind int

// The kinds.
const (
	Database Kind = iota
	Store
	Upstream
)

// Span is something that takes time. It is safe for concurrent use.
type Span interface {
	// Child begins something within it. detail is a statement without its values, what
	// is done to which digest, or which host is asked for what: never a secret.
	Child(kind Kind, detail string) Span
	// End is called once, with how it ended.
	End(err error)
}

type key struct{}

// With has what is done under the context be within s.
func With(ctx context.Context, s Span) context.Context { return context.WithValue(ctx, key{}, s) }

// Of is the span of a context; nil where nobody listens.
func Of(ctx context.Context) Span {
	s, _ := ctx.Value(key{}).(Span)
	return s
}

// Carry has what is done under to be within the span of from: for work that outlives
// who asked for it.
func Carry(to, from context.Context) context.Context {
	if s := Of(from); s != nil {
		return With(to, s)
	}
	return to
}

// Start begins a span within that of ctx. Call end once.
func Start(ctx context.Context, kind Kind, detail string) (_ context.Context, end func(error)) {
	parent := Of(ctx)
	if parent == nil {
		return ctx, ignore
	}
	s := parent.Child(kind, detail)
	return With(ctx, s), s.End
}

// Beginner begins spans that are within no other.
type Beginner interface {
	// Work begins one of what no request asked for. about says of what it is.
	Work(name, about string) Span
}

type beginner struct{}

// WithBeginner has work that begins under the context have spans of its own; nil is
// nobody who listens.
func WithBeginner(ctx context.Context, b Beginner) context.Context {
	if b == nil {
		return ctx
	}
	return context.WithValue(ctx, beginner{}, b)
}

// Work begins what no request asked for, as a job. Call end once.
func Work(ctx context.Context, name, about string) (_ context.Context, end func(error)) {
	b, _ := ctx.Value(beginner{}).(Beginner)
	if b == nil {
		return ctx, ignore
	}
	s := b.Work(name, about)
	return With(ctx, s), s.End
}

func ignore(error) {}
