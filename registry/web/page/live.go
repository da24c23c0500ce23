package page

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"cove/registry/auth"
)

// LivePath is below which each live page has the stream that says when it has changed.
const LivePath = "/live"

// The bounds of streams, and how often one looks. A browser opens six connections to a
// host at most, so that more of one session would only make its pages wait.
const (
	maxStreams        = 256
	maxSessionStreams = 4
	lookEvery         = time.Second
	checkEvery        = lookEvery / 2 // whether the reader is still signed in
	stirEvery         = 15 * time.Second
)

// Live are the rows of a page that keeps itself up to date: the page, and the stream that
// tells it when what it shows is another. Whoever sees it without scripts reloads it.
func Live(path string, right auth.Right, object string, serve func(*Ask) error) []Row {
	row := Get(path, right, object, serve)
	row.live = true
	stream := row
	stream.Path, stream.stream = LivePath+path, true
	return []Row{row, stream}
}

// markOf stands for what a page shows: another, when something of it is another. Fields
// that change without meaning anything are left out by the tag `json:"-"`.
func markOf(data any) (string, error) {
	text, err := json.Marshal(data)
	if err != nil {
		return "", fmt.Errorf("live page: %w", err)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8]), nil
}

// errLooked ends a look of a stream at its page: the data is known, and nobody reads it.
var errLooked = errors.New("looked at")

// streams counts those that are open.
type streams struct {
	mu        sync.Mutex
	all       int
	bySession map[string]int
}

// enter takes a place for a session; false if there is none.
func (s *streams) enter(session string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all >= maxStreams || s.bySession[session] >= maxSessionStreams {
		return false
	}
	if s.bySession == nil {
		s.bySession = map[string]int{}
	}
	s.all++
	s.bySession[session]++
	return true
}

func (s *streams) leave(session string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all--
	if s.bySession[session]--; s.bySession[session] == 0 {
		delete(s.bySession, session)
	}
}

// stream answers with events: "change" with the mark of what the page would show, first
// as it is and then whenever it is another, and "end" when the reader is signed out or
// may not see the page any more.
func (p *Desk) stream(a *Ask, rw Row) error {
	if a.session == "" { // a visitor's pages do not listen
		a.W.WriteHeader(http.StatusNoContent) // which has a browser not come back
		return nil
	}
	if !p.streams.enter(a.session) {
		a.W.Header().Set("Retry-After", strconv.Itoa(int(stirEvery.Seconds())))
		p.Failed(a.W, a.Request, http.StatusTooManyRequests, a.Language.Text("live.many"))
		return nil
	}
	defer p.streams.leave(a.session)
	mark, err := p.lookAt(a, rw)
	if err != nil {
		return err
	}
	out := events{w: a.W, rc: http.NewResponseController(a.W)}
	a.W.Header().Set("Content-Type", "text/event-stream")
	a.W.Header().Set("X-Accel-Buffering", "no") // nginx would wait for more
	a.W.WriteHeader(http.StatusOK)
	out.send("event: change\ndata: " + mark + "\n\n")
	tick := time.NewTicker(checkEvery)
	defer tick.Stop()
	looked := time.Now()
	for out.err == nil {
		select {
		case <-a.Context().Done():
			return nil
		case <-p.Draining:
			return nil // the browser comes back to whoever serves then
		case <-tick.C:
		}
		if p.stillAdmitted(a, rw) != nil {
			out.send("event: end\ndata:\n\n")
			return nil
		}
		if time.Since(looked) < lookEvery {
			continue
		}
		looked = time.Now()
		now, err := p.lookAt(a, rw)
		switch {
		case err != nil: // what it showed is gone, or cannot be seen now
			out.send("event: end\ndata:\n\n")
			return nil
		case now != mark:
			mark = now
			out.send("event: change\ndata: " + mark + "\n\n")
		case time.Since(out.at) > stirEvery:
			out.send(":\n\n")
		}
	}
	return nil
}

// lookAt runs the page's handler for the mark of its data.
func (p *Desk) lookAt(a *Ask, rw Row) (mark string, err error) {
	look := *a
	look.mark = &mark
	if err = rw.Serve(&look); mark != "" {
		err = nil
	}
	return mark, err
}

// stillAdmitted is nil while the session lives and has the row's right. It does not use
// the session: one that is only listened to ends as one that is left alone.
func (p *Desk) stillAdmitted(a *Ask, rw Row) error {
	found, err := p.Sessions.Peek(a.Context(), a.session, p.Now())
	if err != nil {
		return err
	}
	a.Caller = found.Caller
	return p.permitted(a, rw)
}

// events is an answer in pieces.
type events struct {
	w   http.ResponseWriter
	rc  *http.ResponseController
	at  time.Time
	err error
}

func (e *events) send(text string) {
	e.at = time.Now()
	if _, e.err = e.w.Write([]byte(text)); e.err == nil {
		e.err = e.rc.Flush()
	}
}
