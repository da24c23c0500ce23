package solve

import (
	"context"

	"cove/builder/command"
	"cove/builder/event"
	"cove/builder/secret"
	"cove/content"
	"cove/layers"
)

// output returns a writer whose bytes become Log events of t, without secrets.
func (s *solver) output(t *task, tail *command.Tail) *secret.Masker {
	of := t.event(event.Log)
	of.Stream = 1
	return s.secrets.Masker(&event.LogWriter{To: s.events, Of: of, Also: tail.Add})
}

// event is an event of this kind about the task.
func (t *task) event(kind event.Kind) event.Event {
	return event.Event{Kind: kind, Vertex: t.Vertex, Index: t.index}
}

// tellPacked tells of the layers of a task that targets have and that are here as
// blobs: those of a base, or of a cache elsewhere, may not be yet, or never.
func (s *solver) tellPacked(ctx context.Context, t *task) error {
	made := s.Made != nil && t.res.made && (s.PackAll || len(t.targets) > 0)
	if !made && (s.Packed == nil || len(t.targets) == 0) {
		return nil
	}
	var all []layers.Layer
	switch {
	case t.res.base != nil:
		all = t.res.base.Layers
	case t.res.made:
		all = []layers.Layer{t.res.layer()}
	}
	for _, l := range all {
		if l.Blob.Digest == "" {
			continue
		}
		here, err := content.Intact(ctx, s.Content, l.Blob, false)
		if err != nil {
			return err
		}
		if here && made {
			s.Made(l)
		}
		for _, target := range t.targets {
			if here && s.Packed != nil {
				s.Packed(target, l)
			}
		}
	}
	return nil
}
