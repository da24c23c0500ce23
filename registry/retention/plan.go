package retention

import (
	"cmp"
	"context"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"cove/registry/db"
	"cove/registry/immutable"
	"cove/registry/metadata"
	"cove/registry/metadata/usage"
)

// artifact is one that rules may speak of.
type artifact struct {
	digest         digest.Digest
	subject        digest.Digest
	tags           []string
	labels         []string  // if a rule asks for them
	pushed, pulled time.Time // pulled is zero if it never was
	size           int64
	listed         bool // an index lists it
	kept           bool
	misses         []Miss
}

// Gone is an artifact that no rule keeps.
type Gone struct {
	Repository     string
	Digest         digest.Digest
	Tags           []string
	Pushed, Pulled time.Time // Pulled is zero if it never was
	// Misses are why the rules that speak of it do not keep it; none does without.
	Misses []Miss
}

// Part is a manifest that goes with others: one that only they list, or a signature or
// other referrer of them.
type Part struct {
	Repository string
	Digest     digest.Digest
	Of         digest.Digest // what it refers to; "" for one that is listed
}

// Plan is what a run deletes of a project.
type Plan struct {
	Gone []Gone
	With []Part // what goes with them, and after them
	Kept int    // artifacts
	// Share is what goes holds, and frees.
	usage.Share
	At time.Time
}

// plan makes the plan of a project.
func plan(ctx context.Context, q metadata.Queries, project string, rules []Rule, now time.Time) (Plan, error) {
	p := Plan{At: now}
	scan := func(s db.Scanner) (r repository, err error) { return r, s.Scan(&r.id, &r.name) }
	repos, err := db.All(ctx, q.Querier(), scan, `SELECT r.id, r.name FROM projects p JOIN repositories r ON r.project_id = p.id WHERE p.name = $1 ORDER BY r.name`,
		project)
	if err != nil {
		return p, err
	}
	kept, err := immutable.Of(ctx, q.Querier(), project)
	if err != nil {
		return p, err
	}
	for _, repo := range repos {
		_, short, _ := strings.Cut(repo.name, "/")
		speaking := false
		for _, r := range rules {
			speaking = speaking || r.Repository(short)
		}
		if !speaking {
			continue // nobody said anything of it
		}
		if err := p.add(ctx, q.Querier(), repo, decision{rules, kept, short, now}); err != nil {
			return p, err
		}
	}
	return p, nil
}

type repository struct {
	id   int64
	name string
}

// decision is what is decided by.
type decision struct {
	rules     []Rule
	immutable []immutable.Rule
	short     string // the repository's name within the project
	now       time.Time
}

// add plans for one repository.
func (p *Plan) add(ctx context.Context, q db.Querier, repo repository, by decision) error {
	all, err := artifacts(ctx, q, repo.id)
	if err != nil {
		return err
	}
	if err := by.labelled(ctx, q, repo.id, all); err != nil {
		return err
	}
	candidates, followers := by.split(all)
	by.decide(candidates)
	var going []digest.Digest
	for _, a := range candidates {
		if a.kept {
			p.Kept++
			continue
		}
		gone := Gone{
			Repository: repo.name, Digest: a.digest, Tags: a.tags, Pushed: a.pushed, Pulled: a.pulled, Misses: a.misses,
		}
		p.Gone = append(p.Gone, gone)
		going = append(going, a.digest)
	}
	if len(going) == 0 {
		return nil
	}
	everything, err := p.follow(ctx, q, repo, going, followers)
	if err != nil {
		return err
	}
	share, err := usage.OfManifests(ctx, q, repo.id, everything)
	p.Held, p.Alone, p.Counted = p.Held+share.Held, p.Alone+share.Alone, p.Counted+share.Counted
	return err
}

// split tells artifacts that rules speak of from those that stay and go with another:
// what an index lists and has no tag, and what refers to a manifest that is here.
func (d decision) split(all []*artifact) (candidates []*artifact, followers map[digest.Digest][]digest.Digest) {
	here := map[digest.Digest]bool{}
	for _, a := range all {
		here[a.digest] = true
	}
	followers = map[digest.Digest][]digest.Digest{}
	for _, a := range all {
		subject := a.subject
		if of := signed(a.tags); subject == "" && here[of] {
			subject = of
		}
		switch {
		case subject != "" && here[subject]:
			followers[subject] = append(followers[subject], a.digest)
		case a.listed && len(a.tags) == 0:
		default:
			candidates = append(candidates, a)
		}
	}
	return candidates, followers
}

var accessory = regexp.MustCompile(`^(sha256|sha512)-([0-9a-f]{64,128})(\.[a-z]+)?$`)

// signed is what an artifact is tied to whose only tags are cosign's, as
// "sha256-….sig".
func signed(tags []string) (of digest.Digest) {
	for _, tag := range tags {
		m := accessory.FindStringSubmatch(tag)
		if m == nil {
			return ""
		}
		of = digest.NewDigestFromEncoded(digest.Algorithm(m[1]), m[2])
	}
	return of
}

// decide has the rules mark what they keep, and immutable tags too.
func (d decision) decide(candidates []*artifact) {
	for i, rule := range d.rules {
		if !rule.Repository(d.short) {
			continue
		}
		var of []*artifact
		for _, a := range candidates {
			if rule.speaksOf(a) {
				of = append(of, a)
			}
		}
		rule.keeps(i+1, of, d.now)
	}
	for _, a := range candidates {
		a.kept = a.kept || slices.ContainsFunc(a.tags, func(tag string) bool {
			return slices.ContainsFunc(d.immutable, func(r immutable.Rule) bool {
				return r.Repository(d.short) && r.Tag(tag)
			})
		})
	}
}

// follow adds to the plan what goes with artifacts of a repository: what only they
// list, and what refers to any of it. It returns all that goes.
func (p *Plan) follow(
	ctx context.Context, q db.Querier, repo repository, going []digest.Digest,
	followers map[digest.Digest][]digest.Digest,
) ([]digest.Digest, error) {
	all, err := usage.WithParts(ctx, q, repo.id, going)
	if err != nil {
		return nil, err
	}
	own := map[digest.Digest]bool{}
	for _, d := range all {
		own[d] = true
	}
	for _, d := range all[len(going):] {
		p.With = append(p.With, Part{Repository: repo.name, Digest: d})
	}
	for i := 0; i < len(all); i++ { // all grows
		for _, d := range followers[all[i]] {
			if !own[d] {
				own[d] = true
				all = append(all, d)
				p.With = append(p.With, Part{repo.name, d, all[i]})
			}
		}
	}
	return all, nil
}

// artifacts reads all manifests of a repository with their tags.
func artifacts(ctx context.Context, q db.Querier, repo int64) ([]*artifact, error) {
	all, err := db.All(ctx, q, func(s db.Scanner) (*artifact, error) {
		a := &artifact{}
		var pushed, pulled, listed int64
		err := s.Scan(&a.digest, &a.subject, &a.size, &pushed, &pulled, &listed)
		a.pushed, a.listed = time.UnixMicro(pushed), listed != 0
		if pulled != 0 {
			a.pulled = time.UnixMicro(pulled)
		}
		return a, err
	}, `SELECT m.digest, m.subject, m.size, m.pushed_at, COALESCE(u.pulled_at, 0),
		CASE WHEN EXISTS (SELECT 1 FROM manifest_refs f WHERE f.repository_id = m.repository_id AND f.digest = m.digest
			AND f.is_manifest = 1) THEN 1 ELSE 0 END
		FROM manifests m LEFT JOIN manifest_pulls u ON u.repository_id = m.repository_id AND u.digest = m.digest
		WHERE m.repository_id = $1 ORDER BY m.pushed_at DESC, m.digest`, repo)
	if err != nil {
		return nil, err
	}
	by := make(map[digest.Digest]*artifact, len(all))
	for _, a := range all {
		by[a.digest] = a
	}
	_, err = db.All(ctx, q, func(s db.Scanner) (_ struct{}, err error) {
		var name string
		var dgst digest.Digest
		var at int64
		if err = s.Scan(&name, &dgst, &at); err != nil {
			return struct{}{}, err
		}
		if a := by[dgst]; a != nil {
			a.tags = append(a.tags, name)
			if moved := time.UnixMicro(at); moved.After(a.pushed) { // a tag that comes to an old artifact is a push
				a.pushed = moved
			}
		}
		return struct{}{}, nil
	}, "SELECT name, digest, updated_at FROM tags WHERE repository_id = $1 ORDER BY name", repo)
	slices.SortStableFunc(all, func(a, b *artifact) int {
		return cmp.Or(b.pushed.Compare(a.pushed), cmp.Compare(a.digest, b.digest))
	})
	return all, err
}
