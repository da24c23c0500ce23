package event

// LogWriter makes Log events of what is written.
type LogWriter struct {
	To *Teller
	// Of is what the events have in common.
	Of Event
	// Also is given the same bytes; nil is nobody.
	Also func(p []byte)
}

// Write implements io.Writer; it does not fail.
func (w *LogWriter) Write(p []byte) (int, error) {
	if w.Also != nil {
		w.Also(p)
	}
	ev := w.Of
	ev.Kind, ev.Data = Log, p
	w.To.Send(ev)
	return len(p), nil
}
