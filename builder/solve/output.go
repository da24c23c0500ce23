package solve

import (
	"cove/builder/command"
	"cove/builder/event"
	"cove/builder/secret"
)

// output returns a writer whose bytes become Log events of t, without secrets.
func (s *solver) output(t *task, stream int, tail *command.Tail) *secret.Masker {
	return s.secrets.Masker(&logWriter{events: s.events, task: t, stream: stream, tail: tail})
}

type logWriter struct {
	events *event.Teller
	task   *task
	stream int
	tail   *command.Tail
}

func (w *logWriter) Write(p []byte) (int, error) {
	w.tail.Add(p)
	ev := w.task.event(event.Log)
	ev.Stream, ev.Data = w.stream, p
	w.events.Send(ev)
	return len(p), nil
}

// event is an event of this kind about the task.
func (t *task) event(kind event.Kind) event.Event {
	return event.Event{Kind: kind, Vertex: t.Vertex, Index: t.index}
}
