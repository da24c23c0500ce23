package proxy

import (
	"context"
	"errors"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/distribution"
	"cove/errdefs"
	"cove/registry/auth"
	"cove/registry/metadata"
	"cove/registry/metadata/sparse"
	"cove/registry/proxy/settings"
	"cove/registry/span"
)

// answered is a manifest that the upstream has just given; nil says that the one
// which is here is to be served.
type answered struct{ distribution.Manifest }

func (a *answered) value() (m distribution.Manifest) {
	if a != nil {
		m = a.Manifest
	}
	return m
}

func (a *answered) descriptor() ocispec.Descriptor { return a.value().Descriptor }

// freshen sees to it that a tag is here as fresh as its project wants it, or as
// fresh as it can be had.
func (r *registry) freshen(ctx context.Context, repo, tag string) (*answered, error) {
	u := r.behind(ctx, repo)
	if u == nil {
		return nil, nil
	}
	repo = metadata.CanonicalName(repo)
	here, err := r.Registry.StatTag(ctx, repo, tag)
	if err != nil && !gone(err) {
		return nil, err
	}
	if err != nil {
		m, err := r.fill(ctx, u, repo, tag, tag)
		return &answered{m}, err
	}
	checked := r.checked(ctx, u, repo, tag)
	if age := r.p.cfg.Now().Sub(checked); age >= u.FreshFor || u.doubts(repo, checked) {
		err := r.compare(ctx, u, repo, tag, here.Digest)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			r.p.cfg.Log.WarnContext(ctx, "a proxy serves what is here, which may be out of date", "repository", repo,
				"tag", tag, "age", age.Round(time.Second), "error", err)
			stale(ctx, age)
			r.p.old(u)
		}
	}
	r.p.hit(u)
	r.note(ctx, u, repo, tag, r.checked(ctx, u, repo, tag))
	return nil, nil
}

// checked is when the upstream last said what a tag names.
func (r *registry) checked(ctx context.Context, u *upstream, repo, tag string) time.Time {
	key := repo + ":" + tag
	u.mu.Lock()
	at, ok := u.checked[key]
	u.mu.Unlock()
	if ok {
		return at
	}
	at, err := settings.Checked(ctx, r.p.cfg.DB.Querier(), u.ProjectID, repo, tag)
	if err != nil {
		return time.Time{}
	}
	u.mu.Lock()
	u.checked.Set(key, at)
	u.mu.Unlock()
	return at
}

func (r *registry) nowChecked(u *upstream, repo, tag string) {
	u.mu.Lock()
	u.checked.Set(repo+":"+tag, r.p.cfg.Now())
	u.mu.Unlock()
}

// shared does work once for all who ask for it at the same time; it goes on when
// one of them goes away.
func (r *registry) shared(
	ctx context.Context, u *upstream, key string, within time.Duration, do func(ctx context.Context) (any, error),
) (any, error) {
	got := u.flight.DoChan(key, func() (any, error) {
		ctx, cancel := context.WithTimeout(r.p.through(span.Carry(r.p.own, ctx), ctx), within)
		defer cancel()
		return do(ctx)
	})
	select {
	case res := <-got:
		return res.Val, res.Err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// compare asks what a tag names at the upstream, and brings it if that is another
// manifest. A HEAD counts for nothing where pulls are counted.
func (r *registry) compare(ctx context.Context, u *upstream, repo, tag string, here digest.Digest) error {
	_, err := r.shared(ctx, u, "compare "+repo+":"+tag, patience, func(ctx context.Context) (any, error) {
		there, err := u.stat(ctx, repo, tag)
		if err != nil {
			return nil, err
		}
		if there.Digest != here {
			if _, err := r.bring(ctx, u, repo, tag, tag); err != nil {
				return nil, err
			}
		}
		r.nowChecked(u, repo, tag)
		return nil, nil
	})
	return err
}

// fill brings a manifest that is not here, and moves the tag to it unless that is "".
func (r *registry) fill(ctx context.Context, u *upstream, repo, ref, tag string) (distribution.Manifest, error) {
	repo = metadata.CanonicalName(repo)
	r.p.miss(u)
	got, err := r.shared(ctx, u, "fill "+repo+":"+ref, patienceWithout, func(ctx context.Context) (any, error) {
		m, err := r.bring(ctx, u, repo, ref, tag)
		if err == nil && tag != "" {
			r.nowChecked(u, repo, tag)
		}
		return m, err
	})
	if err != nil {
		return distribution.Manifest{}, err
	}
	r.note(ctx, u, repo, ref, r.p.cfg.Now())
	return got.(distribution.Manifest), nil
}

// bring stores a manifest of the upstream. One that cannot be stored is still
// served.
func (r *registry) bring(ctx context.Context, u *upstream, repo, ref, tag string) (distribution.Manifest, error) {
	m, err := u.manifest(ctx, repo, ref)
	if err != nil {
		return m, err
	}
	var tags []string
	if tag != "" {
		tags = []string{tag}
	}
	if _, err := r.Registry.PutManifest(span.Carry(r.p.own, ctx), repo, m, tags...); err != nil {
		r.p.cfg.Log.ErrorContext(ctx, "a manifest was served and could not be stored", "repository", repo,
			"digest", m.Descriptor.Digest, "error", err)
		return m, nil
	}
	r.note(ctx, u, repo, m.Descriptor.Digest.String(), r.p.cfg.Now())
	return m, nil
}

// doubt has the tags of a repository compared before they are fresh no longer, when
// the upstream has not got what a manifest that is here needs: it has another there
// now, and what is here never becomes whole.
func (r *registry) doubt(ctx context.Context, u *upstream, repo string, dgst digest.Digest, err error) {
	if !errors.Is(err, errdefs.ErrNotFound) {
		return
	}
	if wanted, err := sparse.Wanted(ctx, r.p.cfg.DB.Querier(), repo, dgst); err == nil && wanted {
		u.mu.Lock()
		u.doubted.Set(repo, r.p.cfg.Now())
		u.mu.Unlock()
	}
}

// doubts says that a repository was found to lack something since its tag was compared.
func (u *upstream) doubts(repo string, checked time.Time) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.doubted[repo].After(checked)
}

// tags lists those of the upstream, sorted, and not more often than they are fresh:
// who reads a long list in pages has it made once.
func (r *registry) tags(ctx context.Context, u *upstream, repo string) ([]string, error) {
	u.mu.Lock()
	known, now := u.lists[repo], r.p.cfg.Now()
	u.mu.Unlock()
	if now.Sub(known.at) < u.FreshFor {
		return known.tags, nil
	}
	got, err := r.shared(ctx, u, "tags "+repo, patience, func(ctx context.Context) (any, error) {
		var tags []string
		err := u.ask(ctx, "tags of "+repo, func() (err error) {
			tags, err = u.remote(repo).Repo.Tags(ctx)
			return err
		})
		slices.Sort(tags)
		if err == nil {
			u.keep(repo, list{tags, now})
		}
		return tags, err
	})
	if err != nil {
		return nil, err
	}
	return got.([]string), nil
}

// keep remembers a list, and forgets the others when there is no room for it.
func (u *upstream) keep(repo string, l list) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.kept += len(l.tags) + 1 - len(u.lists[repo].tags)
	if u.kept > keptTags {
		clear(u.lists)
		u.kept = len(l.tags) + 1
	}
	if u.kept <= keptTags {
		u.lists[repo] = l
	}
}

// defaultPage is the length of a page when the request names none.
const defaultPage = 1000

func cut(tags []string, p distribution.Page) ([]string, bool, error) {
	n := p.N
	if n <= 0 {
		n = defaultPage
	}
	tags = tags[sort.Search(len(tags), func(i int) bool { return p.Last == "" || tags[i] > p.Last }):]
	if len(tags) <= n {
		return tags, false, nil
	}
	return tags[:n], true, nil
}

// maxReferrers bounds how many are brought for one question.
const maxReferrers = 100

// referrers brings those of a subject that are not here: with them here, the list
// is the registry's own.
func (r *registry) referrers(ctx context.Context, u *upstream, repo string, subject digest.Digest) error {
	key := "referrers " + repo + "@" + subject.String()
	u.mu.Lock()
	fresh := r.p.cfg.Now().Sub(u.checked[key]) < u.FreshFor
	u.mu.Unlock()
	if fresh {
		return nil
	}
	_, err := r.shared(ctx, u, key, 4*patience, func(ctx context.Context) (any, error) {
		var there []ocispec.Descriptor
		err := u.ask(ctx, "referrers of "+repo+"@"+subject.String(), func() (err error) {
			ctx, cancel := context.WithTimeout(ctx, patience) // the rest of the time is for what it lists
			defer cancel()
			there, err = u.remote(repo).Referrers(ctx, subject)
			return err
		})
		if err != nil {
			return nil, err
		}
		var failed error
		for _, desc := range there[:min(len(there), maxReferrers)] {
			if _, err := r.Registry.StatManifest(ctx, repo, desc.Digest); err == nil || !gone(err) {
				continue
			}
			// One that is listed and gone, or does not come, is not the end of the others.
			_, err := r.bring(ctx, u, repo, desc.Digest.String(), "")
			if err != nil && !errors.Is(err, errdefs.ErrNotFound) {
				failed = err
			}
		}
		if failed != nil {
			return nil, failed
		}
		u.mu.Lock()
		u.checked.Set(key, r.p.cfg.Now())
		u.mu.Unlock()
		return nil, nil
	})
	return err
}

// noteEvery is how exact the time of the last pull is.
const noteEvery = 10 * time.Minute

func (r *registry) noteDigest(ctx context.Context, u *upstream, repo string, dgst digest.Digest, err error) {
	if u != nil && err == nil {
		r.p.hit(u)
		r.note(ctx, u, metadata.CanonicalName(repo), dgst.String(), time.Time{})
	}
}

// note records that something was pulled, which need not survive a power cut.
func (r *registry) note(ctx context.Context, u *upstream, repo, ref string, checked time.Time) {
	now := r.p.cfg.Now()
	key := repo + " " + ref
	u.mu.Lock()
	due := now.Sub(u.noted[key]) >= noteEvery || checked.Equal(now)
	if due {
		u.noted.Set(key, now)
	}
	u.mu.Unlock()
	if !due {
		return
	}
	pull := settings.Pull{ProjectID: u.ProjectID, Repository: repo, Reference: ref, CheckedAt: checked, PulledAt: now}
	err := r.p.cfg.DB.UpdateSoon(context.WithoutCancel(ctx), func(ctx context.Context, tx *metadata.Tx) error {
		return settings.Note(ctx, tx.Querier(), pull)
	})
	if err != nil {
		r.p.cfg.Log.WarnContext(ctx, "a pull through a proxy is not recorded", "repository", repo, "error", err)
	}
}

// digestOf is a reference that is no tag.
func digestOf(ref string) (digest.Digest, bool) {
	dgst := digest.Digest(ref)
	return dgst, strings.Contains(ref, ":") && dgst.Validate() == nil
}

// evictAtOnce bounds one round of an eviction.
const evictAtOnce = 1000

// Evict removes from r what nobody has pulled for as long as its project keeps it;
// the bytes go by the collector.
func (p *Proxies) Evict(ctx context.Context, r distribution.Registry) (removed int, err error) {
	all, err := settings.All(ctx, p.cfg.DB.Querier())
	if err != nil {
		return 0, err
	}
	for _, s := range all {
		if s.KeepFor == 0 {
			continue
		}
		n, err := p.evict(ctx, r, s)
		removed += n
		if err != nil {
			return removed, err
		}
	}
	return removed, nil
}

func (p *Proxies) evict(ctx context.Context, r distribution.Registry, s settings.Proxy) (removed int, err error) {
	old, err := settings.Oldest(ctx, p.cfg.DB.Querier(), s.ProjectID, p.cfg.Now().Add(-s.KeepFor), evictAtOnce)
	if err != nil {
		return 0, err
	}
	// Tags first, then what no tag names, and of that indexes before their manifests,
	// which a second look finds.
	slices.SortStableFunc(old, func(a, b settings.Pull) int {
		return rank(a) - rank(b)
	})
	for range 2 {
		var kept []settings.Pull
		for _, pull := range old {
			went, err := p.remove(ctx, r, pull)
			switch {
			case err != nil && ctx.Err() != nil:
				return removed, err
			case err != nil || !went:
				kept = append(kept, pull)
			default:
				removed++
			}
		}
		old = kept
	}
	return removed, nil
}

func rank(p settings.Pull) int {
	if _, isDigest := digestOf(p.Reference); isDigest {
		return 1
	}
	return 0
}

// remove takes one thing out, unless something else needs it.
func (p *Proxies) remove(ctx context.Context, r distribution.Registry, pull settings.Pull) (bool, error) {
	ctx = auth.WithCaller(ctx, owner)
	var err error
	if dgst, ok := digestOf(pull.Reference); ok {
		tags, failed := p.cfg.DB.TagsOn(ctx, pull.Repository, dgst.String())
		if failed != nil || len(tags) > 0 {
			return false, failed
		}
		err = r.DeleteManifest(ctx, pull.Repository, dgst)
	} else {
		err = r.DeleteTag(ctx, pull.Repository, pull.Reference)
	}
	if err != nil && !gone(err) {
		return false, err
	}
	return true, p.cfg.DB.UpdateSoon(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		return settings.Forget(ctx, tx.Querier(), pull)
	})
}
