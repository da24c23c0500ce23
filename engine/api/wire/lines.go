package wire

import (
	"encoding/json"
	"net/http"
	"sync"
)

// Progress is how far something is.
type Progress struct {
	Current int64 `json:"current,omitempty"`
	Total   int64 `json:"total,omitempty"`
}

// Line is one of the answers that tell what happens, as that of a pull.
type Line struct {
	Stream   string    `json:"stream,omitempty"`
	Status   string    `json:"status,omitempty"`
	Progress *Progress `json:"progressDetail,omitempty"`
	// Bar is what older clients show of it.
	Bar string `json:"progress,omitempty"`
	ID  string `json:"id,omitempty"`
	// Aux is for programs: the digest of what was pushed.
	Aux    any          `json:"aux,omitempty"`
	Detail *ErrorDetail `json:"errorDetail,omitempty"`
	// Error repeats the detail's message, for older clients.
	Error string `json:"error,omitempty"`
}

// ErrorDetail is a failure after the answer has begun.
type ErrorDetail struct {
	Code    int    `json:"code,omitempty"`
	Message string `json:"message"`
}

// Lines writes lines, each sent at once. It is safe for concurrent use.
type Lines struct {
	mu    sync.Mutex
	w     http.ResponseWriter
	begun bool
}

// NewLines answers with lines; the answer begins with the first.
func NewLines(w http.ResponseWriter) *Lines { return &Lines{w: w} }

// Send sends a line. A client that is gone is found by what the lines are about, whose
// context has ended.
func (l *Lines) Send(line Line) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.begun {
		l.begun = true
		l.w.Header().Set("Content-Type", "application/json")
		l.w.WriteHeader(http.StatusOK)
	}
	text, err := json.Marshal(line)
	if err != nil {
		text, _ = json.Marshal(Line{Error: err.Error(), Detail: &ErrorDetail{Message: err.Error()}})
	}
	if _, err := l.w.Write(append(text, '\r', '\n')); err == nil {
		_ = http.NewResponseController(l.w).Flush() // as above
	}
}

// End ends the answer: an error before the first line is one of the request, after
// that it is a line.
func (l *Lines) End(err error) error {
	l.mu.Lock()
	begun := l.begun
	l.mu.Unlock()
	if err == nil || !begun {
		return err
	}
	l.Send(Line{Error: Text(err), Detail: &ErrorDetail{Code: Status(err), Message: Text(err)}})
	return nil
}
