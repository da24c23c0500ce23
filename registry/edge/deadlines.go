package edge

import (
	"io"
	"net/http"
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
// There is no limit to a whole one: layers are large, lines are slow.
func Deadlines(next http.Handler, stall time.Duration) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		pw := &patientWriter{ResponseWriter: w, rc: http.NewResponseController(w), stall: stall}
		// A connection keeps the deadline that the request before has left.
		pw.extend()
		if r.Body == nil || r.Body == http.NoBody {
			next.ServeHTTP(pw, r)
			pw.extend()
			return
		}
		body := &patientBody{ReadCloser: r.Body, rc: pw.rc, stall: stall}
		r.Body = body
		// net/http reads what the handler leaves, to use the connection again, and
		// waits for it as long as the connection lets it: once before the answer's
		// header goes out, in the middle of the handler, and once after the handler.
		_ = pw.rc.SetReadDeadline(time.Now().Add(stall))
		next.ServeHTTP(pw, r)
		pw.extend()
		if !body.ended {
			_ = pw.rc.SetReadDeadline(time.Now().Add(stall))
		}
	})
}

// patientBody moves the deadline with every read.
type patientBody struct {
	io.ReadCloser
	rc       *http.ResponseController
	stall    time.Duration
	received int64
	waited   time.Duration // for the client; what the server does between reads is not its fault
	ended    bool
}

func (b *patientBody) Read(p []byte) (int, error) {
	earned := time.Duration(b.received/minRate) * time.Second
	wait := max(0, min(b.stall, b.stall+earned-b.waited))
	begin := time.Now()
	_ = b.rc.SetReadDeadline(begin.Add(wait)) // not every connection has deadlines
	n, err := b.ReadCloser.Read(p)
	b.received += int64(n)
	b.waited += time.Since(begin)
	if err == io.EOF {
		// The server now watches the connection for the client to go away, which
		// must not time out.
		b.ended = true
		_ = b.rc.SetReadDeadline(time.Time{})
	}
	return n, err
}

// patientWriter moves the deadline with every piece of an answer.
type patientWriter struct {
	http.ResponseWriter
	rc    *http.ResponseController
	stall time.Duration
}

// Unwrap is for http.ResponseController.
func (w *patientWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *patientWriter) extend() {
	_ = w.rc.SetWriteDeadline(time.Now().Add(w.stall)) // not every connection has deadlines
}

func (w *patientWriter) Write(p []byte) (int, error) {
	w.extend()
	return w.ResponseWriter.Write(p)
}

// ReadFrom sends a file in pieces. Each goes down as one limited reader over
// the file itself, the form in which net finds sendfile.
func (w *patientWriter) ReadFrom(src io.Reader) (total int64, err error) {
	lr, ok := src.(*io.LimitedReader)
	if !ok {
		lr = &io.LimitedReader{R: src, N: 1<<63 - 1}
	}
	for lr.N > 0 && err == nil {
		w.extend()
		var n int64
		want := min(lr.N, piece)
		n, err = io.CopyN(w.ResponseWriter, lr.R, want)
		total += n
		lr.N -= n
	}
	if err == io.EOF { //nolint:errorlint // CopyN's own, as it is
		err = nil
	}
	return total, err
}
