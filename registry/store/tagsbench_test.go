package store

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"cove/distribution"
	"cove/distribution/distributiontest"
	"cove/registry/metadata"
	"cove/registry/metadata/metadatatest"
)

// BenchmarkManyTags asks two repositories of one registry in turn, one of 100 tags and one
// of 100,000, and reports how long the slowest hundredth of the answers of each took. What
// is asked costs the same in both if the times are the same; of ten series it is the median,
// which one that the machine was busy in does not move. One round is enough:
//
//	go test ./registry/store -run - -bench ManyTags -benchtime 1x -timeout 1h
func BenchmarkManyTags(b *testing.B) {
	for engine, open := range map[string]func(testing.TB, func() time.Time) *metadata.DB{
		"sqlite": metadatatest.OpenSQLite, "postgres": metadatatest.Postgres(b).Open,
	} {
		b.Run(engine, func(b *testing.B) {
			f := newStored(b, open, nil)
			few, many := f.tagged(b, "team/few", 100), f.tagged(b, "team/many", 100_000)
			for what, ask := range f.questions() {
				b.Run(what, func(b *testing.B) {
					for b.Loop() {
						ofFew, ofMany := inTurn(b, func() error { return ask(few) }, func() error { return ask(many) })
						b.ReportMetric(ofFew, "ms-p99-of-100")
						b.ReportMetric(ofMany, "ms-p99-of-100000")
						b.ReportMetric(ofMany/ofFew, "ratio")
					}
				})
			}
		})
	}
}

// tagged is a repository and its tags, each on one of some manifests.
type tagged struct {
	repo      string
	tags      []string
	manifests []digest.Digest
}

func (t tagged) tag() string { return t.tags[rand.IntN(len(t.tags))] }

func (f *fixture) tagged(b *testing.B, repo string, n int) tagged {
	b.Helper()
	ctx, made := admin(b.Context()), tagged{repo: repo}
	for i := range min(n, 1000) {
		index := distributiontest.Index(b)
		index.Body = fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"manifests":[],"annotations":{"n":"%s %d"}}`,
			index.Descriptor.MediaType, repo, i)
		index.Descriptor.Digest, index.Descriptor.Size = digest.FromBytes(index.Body), int64(len(index.Body))
		if _, err := f.PutManifest(ctx, repo, index); err != nil {
			b.Fatal(err)
		}
		made.manifests = append(made.manifests, index.Descriptor.Digest)
	}
	for i := range n {
		made.tags = append(made.tags, fmt.Sprintf("v%06d", i))
	}
	id, err := f.db.Repository(ctx, repo)
	for some := range slices.Chunk(made.tags, 1000) {
		if err == nil {
			err = f.db.Update(ctx, func(ctx context.Context, tx *metadata.Tx) error {
				for _, tag := range some {
					if err := tx.SetTag(ctx, id, tag, made.manifests[rand.IntN(len(made.manifests))], "bench"); err != nil {
						return err
					}
				}
				return nil
			})
		}
	}
	if err != nil {
		b.Fatal(err)
	}
	return made
}

// questions are what is asked of a repository, by their names.
func (f *fixture) questions() map[string]func(tagged) error {
	ctx := admin(context.Background())
	page := func(repo, last string) error {
		_, _, err := f.Tags(ctx, repo, distribution.Page{N: 50, Last: last})
		return err
	}
	return map[string]func(tagged) error{
		"get a manifest by tag": func(t tagged) error { _, err := f.GetTag(ctx, t.repo, t.tag()); return err },
		"head of a tag":         func(t tagged) error { _, err := f.StatTag(ctx, t.repo, t.tag()); return err },
		"get a manifest by digest": func(t tagged) error {
			_, err := f.GetManifest(ctx, t.repo, t.manifests[rand.IntN(len(t.manifests))])
			return err
		},
		"first page of tags":      func(t tagged) error { return page(t.repo, "") },
		"a page of tags anywhere": func(t tagged) error { return page(t.repo, t.tag()) },
		"move a tag": func(t tagged) error {
			m, err := f.GetManifest(ctx, t.repo, t.manifests[rand.IntN(len(t.manifests))])
			if err == nil {
				_, err = f.PutManifest(ctx, t.repo, m, t.tag())
			}
			return err
		},
	}
}

// inTurn does one thing and another, a thousand times in each of ten series, and returns how
// long the slowest hundredth of each took in the median series, in milliseconds.
func inTurn(b *testing.B, one, other func() error) (ofOne, ofOther float64) {
	b.Helper()
	const series, rounds = 10, 1000
	var slowest [2][]float64
	for range series {
		var took [2][]time.Duration
		for range rounds {
			for i, ask := range []func() error{one, other} {
				begun := time.Now()
				if err := ask(); err != nil {
					b.Fatal(err)
				}
				took[i] = append(took[i], time.Since(begun))
			}
		}
		for i := range took {
			slices.Sort(took[i])
			slowest[i] = append(slowest[i], ms(took[i]))
		}
	}
	for i := range slowest {
		slices.Sort(slowest[i])
	}
	return slowest[0][series/2], slowest[1][series/2]
}
