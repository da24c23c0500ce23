// Package lists has the rows of docker's lists: what ps, images and the others print
// as JSON and give to templates. A row has a field for each of docker's keys, and its
// values are texts, as docker's are. Columns of tables are some of them.
package lists

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/docker/go-units"

	"cove/engine/listing"
	"cove/internal/ids"
)

// Options say how a row is written.
type Options struct {
	Now time.Time
	// NoTrunc keeps ids and commands whole.
	NoTrunc bool
}

// notAvailable is what docker writes where nothing was measured.
const notAvailable = "N/A"

// id is an id without its algorithm, cut as people read it, or whole.
func (o Options) id(id string) string {
	if o.NoTrunc {
		return id
	}
	_, hex, found := strings.Cut(id, ":")
	if !found {
		hex = id
	}
	return ids.Short(hex)
}

// cut shortens a text to n characters with an ellipsis.
func (o Options) cut(s string, n int) string {
	if r := []rune(s); !o.NoTrunc && len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}

// since is how long ago something was, or N/A where that is not known.
func (o Options) since(then time.Time) string {
	if then.IsZero() {
		return notAvailable
	}
	return listing.Ago(o.Now, then)
}

// size is a number of bytes in three digits, longSize in four, as docker has them in
// lists and in sums.
func size(n int64) string     { return units.HumanSizeWithPrecision(float64(n), 3) }
func longSize(n int64) string { return units.HumanSize(float64(n)) }

// at is a time of this machine, in whole seconds, as docker prints those of containers
// and images.
func at(t time.Time) string { return time.Unix(t.Unix(), 0).String() }

func labels(m map[string]string) string {
	all := make([]string, 0, len(m))
	for _, k := range slices.Sorted(maps.Keys(m)) {
		all = append(all, k+"="+m[k])
	}
	return strings.Join(all, ",")
}

// labeled gives templates one label of a row. The row of titles has none: there a label
// is titled by its name's last part.
type labeled struct{ of map[string]string }

func labelsOf(m map[string]string) labeled {
	if m == nil {
		m = map[string]string{}
	}
	return labeled{m}
}

// Label is the value of one label.
func (l labeled) Label(name string) string {
	if l.of != nil {
		return l.of[name]
	}
	name = name[strings.LastIndex(name, ".")+1:]
	return strings.ToUpper(strings.NewReplacer("-", " ", "_", " ").Replace(name))
}

// Volume is a row of volume ls.
type Volume struct {
	Availability string
	Driver       string
	Group        string
	Labels       string
	Links        string
	Mountpoint   string
	Name         string
	Scope        string
	Size         string
	Status       string
	labeled
}

// History is a row of history.
type History struct {
	Comment      string
	CreatedAt    string
	CreatedBy    string
	CreatedSince string
	ID           string
	Size         string
}

// Usage is a row of system df.
type Usage struct {
	Active      string
	Reclaimable string
	Size        string
	TotalCount  string
	Type        string
}

// Cache is a row of what builds left. Docker has no one list of it: buildx du and
// system df have their own keys, of which these are those of the latter, with what else
// there is to say.
type Cache struct {
	CacheType     string
	CreatedAt     string
	CreatedSince  string
	Description   string
	ID            string
	InUse         string
	KeptBy        string
	LastAccessed  string
	LastUsedAt    string
	LastUsedSince string
	Reclaimable   string
	Shared        string
	Size          string
	Step          string
	UsageCount    string
}

// orNone is a text, or docker's word for none.
func orNone(s string) string { return cmp.Or(s, listing.None) }
