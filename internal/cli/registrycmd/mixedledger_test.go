package registrycmd

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// book is a ledger outside of the registry: what each name (a tag, or a manifest in its
// repository) holds, and between which moments, as clients were told. One client changes
// a name at a time, and any may read it.
type book struct {
	mu    sync.Mutex
	names map[string][]version
	open  map[string]bool     // begun, and not ended
	blobs map[string][]string // of a manifest, by its digest
	sizes map[string]int      // of blobs and manifests
}

// version is what a name came to hold; "" is nothing.
type version struct {
	value string
	begun time.Time
	over  time.Time // zero while nobody knows whether it happened
}

func newBook() *book {
	return &book{names: map[string][]version{}, open: map[string]bool{}, blobs: map[string][]string{}, sizes: map[string]int{}}
}

// begin notes that a client asks for a name to hold something.
func (b *book) begin(value string, names ...string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, name := range names {
		b.names[name] = append(b.names[name], version{value: value, begun: time.Now()})
		b.open[name] = true
	}
}

// end notes what became of the last thing that was begun for names.
func (b *book) end(happened bool, names ...string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, name := range names {
		all := b.names[name]
		delete(b.open, name)
		if happened {
			all[len(all)-1].over = time.Now()
		} else {
			b.names[name] = all[:len(all)-1]
		}
	}
}

// pending are a client's names of which nobody knows what became of the last change.
func (b *book) pending(of string) (names []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for name := range b.open {
		if strings.HasPrefix(name, of) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// settle ends a change that nobody knew of by what was read since; false says that
// neither it nor what was before it explains that.
func (b *book) settle(name, read string) bool {
	b.mu.Lock()
	all := b.names[name]
	last, before := all[len(all)-1].value, ""
	if len(all) > 1 {
		before = all[len(all)-2].value
	}
	b.mu.Unlock()
	switch read {
	case last:
		b.end(true, name)
	case before:
		b.end(false, name)
	default:
		return false
	}
	return true
}

// possible are the values that a name may have been read with between two moments.
func (b *book) possible(name string, from, to time.Time) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	values := []string{}
	replaced := false // what comes before was replaced before the read began
	all := b.names[name]
	for i := len(all) - 1; i >= 0 && !replaced; i-- {
		v := all[i]
		if v.begun.After(to) {
			continue
		}
		values = append(values, v.value)
		replaced = !v.over.IsZero() && v.over.Before(from)
	}
	if !replaced {
		values = append(values, "")
	}
	return values
}

// certain says that a name held nothing but this between two moments.
func (b *book) certain(name, value string, from, to time.Time) bool {
	for _, v := range b.possible(name, from, to) {
		if v != value {
			return false
		}
	}
	return true
}

// last is what each name holds now.
func (b *book) last() map[string]string {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := map[string]string{}
	for name, all := range b.names {
		if len(all) > 0 {
			now[name] = all[len(all)-1].value
		} else {
			now[name] = ""
		}
	}
	return now
}

// now is what a name holds.
func (b *book) now(name string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := b.names[name]
	if len(all) == 0 {
		return ""
	}
	return all[len(all)-1].value
}

// made notes what a manifest needs.
func (b *book) made(dgst string, size int, blobs map[string]int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sizes[dgst] = size
	var all []string
	for blob, size := range blobs {
		all = append(all, blob)
		b.sizes[blob] = size
	}
	slices.Sort(all)
	b.blobs[dgst] = all
}

func (b *book) blobsOf(manifest string) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.blobs[manifest]
}

// live is how many bytes the registry must have at least.
func (b *book) live() (total int64) {
	needed := map[string]bool{}
	for name, value := range b.last() {
		if repo, dgst, ok := strings.Cut(name, "@"); ok && repo != "" && value != "" {
			needed[dgst] = true
			for _, blob := range b.blobsOf(dgst) {
				needed[blob] = true
			}
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for dgst := range needed {
		total += int64(b.sizes[dgst])
	}
	return total
}

// TestBookKnowsWhatMayBeRead: the ledger allows what some order of the changes explains,
// and nothing else.
func TestBookKnowsWhatMayBeRead(t *testing.T) {
	t.Parallel()
	b := newBook()
	at := func(n int) time.Time { return time.Unix(int64(n), 0) }
	never := time.Time{}
	for _, c := range []struct {
		versions []version
		from, to int
		want     []string
	}{
		{nil, 1, 2, []string{""}},
		{[]version{{"a", at(1), at(2)}}, 3, 4, []string{"a"}},
		{[]version{{"a", at(1), at(2)}}, 0, 1, []string{"a", ""}},
		{[]version{{"a", at(2), at(3)}}, 0, 1, []string{""}},
		{[]version{{"a", at(1), at(2)}, {"b", at(5), at(6)}}, 3, 4, []string{"a"}},
		{[]version{{"a", at(1), at(2)}, {"b", at(5), at(6)}}, 3, 5, []string{"b", "a"}},
		{[]version{{"a", at(1), at(2)}, {"b", at(5), at(6)}}, 7, 8, []string{"b"}},
		{[]version{{"a", at(1), at(2)}, {"b", at(5), never}}, 7, 8, []string{"b", "a"}},
		{[]version{{"a", at(1), at(2)}, {"", at(3), at(4)}, {"b", at(7), never}}, 8, 9, []string{"b", ""}},
		{[]version{{"a", at(1), never}}, 8, 9, []string{"a", ""}},
	} {
		b.names["x"] = c.versions
		if got := b.possible("x", at(c.from), at(c.to)); !slices.Equal(got, c.want) {
			t.Errorf("%v between %d and %d: %q, want %q", c.versions, c.from, c.to, got, c.want)
		}
	}
	b.names["x"] = []version{{"a", at(1), at(2)}}
	b.begin("b", "x")
	b.names["x"][1].begun = at(3)
	if b.certain("x", "a", at(4), at(5)) || len(b.pending("x")) != 1 {
		t.Error("nobody knows what became of b")
	}
	if b.settle("x", "c") || b.settle("x", "") {
		t.Error("c explains nothing, and a was there")
	}
	if !b.settle("x", "a") || !b.certain("x", "a", at(4), at(5)) {
		t.Error("it is a")
	}
}
