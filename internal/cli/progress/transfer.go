package progress

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/docker/go-units"
	"github.com/opencontainers/go-digest"

	"cove/distribution/progress"
	"cove/internal/cli/terminal"
)

// Transfer shows the events of a pull, push or load.
type Transfer struct {
	// Push words what the registry has already as docker's push does.
	Push bool

	screen Screen
	live   *Live // nil where there is no terminal

	mu    sync.Mutex
	order []digest.Digest
	blobs map[digest.Digest]progress.Event
}

// NewTransfer begins; Close ends it.
func NewTransfer(s Screen) *Transfer {
	t := &Transfer{screen: s, blobs: map[digest.Digest]progress.Event{}}
	if s.Size != nil {
		t.live = NewLive(s, t.block)
	}
	return t
}

// words are docker's for the states of a layer. Those that end it are final;
// plain output has only them.
var words = map[progress.Kind]struct {
	text  string
	bar   bool
	final bool
}{
	progress.Waiting:       {text: "Waiting"},
	progress.Downloading:   {text: "Downloading", bar: true},
	progress.Downloaded:    {text: "Download complete"},
	progress.Extracting:    {text: "Extracting", bar: true},
	progress.Complete:      {text: "Pull complete", final: true},
	progress.AlreadyExists: {text: "Already exists", final: true},
	progress.Pushing:       {text: "Pushing", bar: true},
	progress.Pushed:        {text: "Pushed", final: true},
	progress.Mounted:       {text: "Mounted from", final: true},
	progress.Loading:       {text: "Loading layer", bar: true},
	progress.Retrying:      {text: "Retrying"},
}

// ofBlob says whether an event is of a layer, and not of the whole image.
func ofBlob(e progress.Event) bool {
	return e.Kind != progress.Resolved && e.Kind != progress.Begun && e.Kind != progress.Ended && e.Desc.Digest != ""
}

// Event takes one step; it is an progress.Func.
func (t *Transfer) Event(e progress.Event) {
	if !ofBlob(e) {
		return
	}
	mu := &t.mu
	if t.live != nil {
		mu = &t.live.Mutex
	}
	mu.Lock()
	defer mu.Unlock()
	dgst := e.Desc.Digest
	before, known := t.blobs[dgst]
	if !known {
		t.order = append(t.order, dgst)
	}
	if before.Kind == progress.Loading && e.Kind == progress.Complete {
		e.Kind = progress.Pushed // a load says nothing more of a layer
		t.blobs[dgst] = e
		return
	}
	t.blobs[dgst] = e
	switch final := words[e.Kind].final; {
	case t.live != nil && final:
		if !known || !words[before.Kind].final {
			t.live.Finish(Line{Text: t.line(e)})
		}
		t.live.Touch()
	case t.live != nil:
		t.live.Touch()
	case final && (!known || !words[before.Kind].final),
		e.Kind == progress.Retrying && before.Kind != progress.Retrying:
		fmt.Fprintln(t.screen.Out, t.line(e))
	}
}

// block are the layers that are under way, for the live part of the screen.
func (t *Transfer) block(int) []Line {
	var lines []Line
	for _, dgst := range t.order {
		if e := t.blobs[dgst]; !words[e.Kind].final {
			lines = append(lines, Line{Text: t.line(e)})
		}
	}
	return lines
}

func (t *Transfer) line(e progress.Event) string {
	w := words[e.Kind]
	text := short(e.Desc.Digest) + ": " + w.text
	switch {
	case e.Kind == progress.AlreadyExists && t.Push:
		text = short(e.Desc.Digest) + ": Layer already exists"
	case e.Kind == progress.Mounted:
		text += " " + e.From
	case e.Kind == progress.Retrying:
		text += fmt.Sprintf(" in %s: %v", e.Wait.Round(time.Second), e.Err)
	case w.bar && e.Desc.Size > 0:
		so := fmt.Sprintf("%9s/%s", units.HumanSizeWithPrecision(float64(e.Offset), 4),
			units.HumanSizeWithPrecision(float64(e.Desc.Size), 4))
		if width := t.barWidth(); width > 0 {
			so = bar(e.Offset, e.Desc.Size, width) + " " + so
		}
		text = fmt.Sprintf("%-26s %s", text, so)
	case w.bar:
		text += " " + units.HumanSizeWithPrecision(float64(e.Offset), 4)
	}
	return terminal.Clean(text)
}

// A line without its bar takes besides cells, of a digest, a word and two sizes; a bar of
// fewer than shortest says nothing, and docker's has longest.
const besides, shortest, longest = 47, 8, 50

// barWidth is how much room a line has for a bar: what the sizes leave of it, as a line
// that is too long loses its end.
func (t *Transfer) barWidth() int {
	if t.screen.Size == nil {
		return longest
	}
	cols, _ := t.screen.Size()
	if cols-besides < shortest {
		return 0
	}
	return min(cols-besides, longest)
}

// bar is docker's: [=====>     ].
func bar(done, total int64, width int) string {
	n := min(int(int64(width)*done/max(total, 1)), width)
	switch {
	case n < 0:
		n = 0
	case n == width:
		return "[" + strings.Repeat("=", width) + "]"
	}
	return "[" + strings.Repeat("=", n) + ">" + strings.Repeat(" ", width-n-1) + "]"
}

func short(dgst digest.Digest) string {
	hex := dgst.Encoded()
	return hex[:min(12, len(hex))]
}

// Close shows the end; no event may come after it.
func (t *Transfer) Close() {
	if t.live != nil {
		t.live.Close()
	}
}
