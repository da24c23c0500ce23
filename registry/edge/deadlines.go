package edge

import (
	"io"
	"net/http"
	"os"
	"sync"
	"time"
)

const (
	// minRate is the least that a client must send on average, in bytes a
	// second, once its first stall is used up: one byte now and then would hold
	// a connection for ever.
	minRate = 1 << 10
	// piece is what a client must take of an answer within one stall.
	piece = 1 << 20
)

// Deadlines ends requests whose client sends or takes nothing for that long.
// There is no limit to a whole one: layers are large, lines are slow. Nor is there one to
// what the server does meanwhile.
func Deadlines(next http.Handler, stall time.Duration) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rc, stream := http.NewResponseController(w), r.ProtoMajor == 2
		toTake := &wait{until: rc.SetWriteDeadline, stream: stream}
		pw := &patientWriter{ResponseWriter: w, rc: rc, wait: toTake, stall: stall}
		defer pw.wait.end()
		if !stream { // a connection keeps the deadline that the request before has left
			pw.extend()
		}
		if r.Body == nil || r.Body == http.NoBody {
			next.ServeHTTP(pw, r)
			pw.extend()
			return
		}
		body := &patientBody{ReadCloser: r.Body, stall: stall, wait: &wait{until: rc.SetReadDeadline, stream: stream}}
		defer body.wait.end()
		r.Body = body
		// net/http reads what the handler leaves, to use the connection again, and
		// waits for it as long as the connection lets it: once before the answer's
		// header goes out, in the middle of the handler, and once after the handler.
		// A stream of HTTP/2 is of no further use, and nothing is read of it.
		if !stream {
			_ = rc.SetReadDeadline(time.Now().Add(stall))
		}
		next.ServeHTTP(pw, r)
		pw.extend()
		if !body.ended {
			_ = rc.SetReadDeadline(time.Now().Add(stall))
		}
	})
}

// wait is for the client, in one direction of one request. On a connection of HTTP/1.1 a deadline is asked only
// when there is something to wait for. On a stream of HTTP/2 it is an alarm, which resets the stream whatever goes
// on: as when the handler works on what it was sent for longer than a client may be silent. There the alarm is
// one of our own, which looks who is waited for.
type wait struct {
	until  func(time.Time) error // not every connection has deadlines
	stream bool

	mu    sync.Mutex
	since time.Time // nobody is waited for while it is zero
	most  time.Duration
	alarm *time.Timer
}

func (w *wait) begin(most time.Duration) {
	now := time.Now()
	if !w.stream {
		_ = w.until(now.Add(most))
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.since, w.most = now, most
	if w.alarm == nil {
		w.alarm = time.AfterFunc(most, w.look)
	}
}

func (w *wait) over() {
	if !w.stream {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.since = time.Time{}
}

// look is what the alarm does. An alarm for each piece of a body would cost more than one that
// is early and comes again.
func (w *wait) look() {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch waited := time.Since(w.since); {
	case w.since.IsZero():
		w.alarm = nil
	case waited < w.most:
		w.alarm.Reset(w.most - waited)
	default:
		_ = w.until(time.Now().Add(-time.Second))
	}
}

// end is that of the request.
func (w *wait) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.alarm != nil {
		w.alarm.Stop()
	}
	w.since = time.Time{}
}

// patientBody waits for the client in every read.
type patientBody struct {
	io.ReadCloser
	wait     *wait
	stall    time.Duration
	received int64
	waited   time.Duration // for the client; what the server does between reads is not its fault
	ended    bool
}

func (b *patientBody) Read(p []byte) (int, error) {
	earned := time.Duration(b.received/minRate) * time.Second
	begun := time.Now()
	b.wait.begin(max(0, min(b.stall, b.stall+earned-b.waited)))
	n, err := b.ReadCloser.Read(p)
	b.wait.over()
	b.received += int64(n)
	b.waited += time.Since(begun)
	if err == io.EOF {
		b.ended = true
		if !b.wait.stream {
			// The server now watches the connection for the client to go away, which
			// must not time out.
			_ = b.wait.until(time.Time{})
		}
	}
	return n, err
}

// patientWriter waits for the client in every piece of an answer.
type patientWriter struct {
	http.ResponseWriter
	rc    *http.ResponseController
	wait  *wait
	stall time.Duration
}

// Unwrap is for http.ResponseController.
func (w *patientWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// extend is for what net/http writes by itself, as at the end of a request.
func (w *patientWriter) extend() {
	_ = w.rc.SetWriteDeadline(time.Now().Add(w.stall)) // not every connection has deadlines
}

func (w *patientWriter) Write(p []byte) (int, error) {
	w.wait.begin(w.stall)
	defer w.wait.over()
	return w.ResponseWriter.Write(p)
}

// FlushError sends what was written so far.
func (w *patientWriter) FlushError() error {
	w.wait.begin(w.stall)
	defer w.wait.over()
	return w.rc.Flush()
}

// ReadFrom sends in pieces.
func (w *patientWriter) ReadFrom(src io.Reader) (total int64, err error) {
	lr, ok := src.(*io.LimitedReader)
	if !ok {
		lr = &io.LimitedReader{R: src, N: 1<<63 - 1}
	}
	_, file := lr.R.(*os.File)
	for lr.N > 0 && err == nil {
		var n int64
		want := min(lr.N, piece)
		if file && !w.wait.stream {
			// One limited reader over the file itself is the form in which net finds sendfile.
			w.wait.begin(w.stall)
			n, err = io.CopyN(w.ResponseWriter, lr.R, want)
		} else {
			n, err = w.pass(lr.R, want)
		}
		total += n
		lr.N -= n
	}
	if err == io.EOF { //nolint:errorlint // CopyN's own, as it is
		err = nil
	}
	return total, err
}

var buffers = sync.Pool{New: func() any { return new([32 << 10]byte) }}

// pass sends one piece of what may be slow to come, as the blob that a proxy has from another registry: only
// while it is written the client is waited for.
func (w *patientWriter) pass(src io.Reader, want int64) (total int64, err error) {
	buffer := buffers.Get().(*[32 << 10]byte) //nolint:forcetypeassert // nothing else is in it
	defer buffers.Put(buffer)
	left := w.stall
	for total < want && err == nil {
		var n int
		n, err = src.Read(buffer[:min(want-total, int64(len(buffer)))])
		if n == 0 {
			continue
		}
		begun := time.Now()
		w.wait.begin(left)
		written, failed := w.ResponseWriter.Write(buffer[:n])
		w.wait.over()
		left = max(0, left-time.Since(begun))
		total += int64(written)
		if failed != nil {
			return total, failed
		}
	}
	return total, err
}
