package migrate

import (
	"bufio"
	"io"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"cove/errdefs"
	"cove/reference"
)

// Tags are what tags name, by repository and tag. Harbor keeps them in its database, which
// alone knows them since release 2.15, and before that which ones were deleted.
type Tags map[string]map[string]digest.Digest

// ReadTags reads lines of a repository, a tag and a digest, with a tab between two, as
// PostgreSQL writes them. Each must be right.
func ReadTags(from io.Reader) (Tags, error) {
	all := Tags{}
	lines := bufio.NewScanner(from)
	for n := 1; lines.Scan(); n++ {
		if lines.Text() == "" {
			continue
		}
		repo, rest, _ := strings.Cut(lines.Text(), "\t")
		tag, named, _ := strings.Cut(rest, "\t")
		dgst, err := digest.Parse(named)
		switch {
		case err != nil:
			err = errdefs.Errorf(errdefs.ErrInvalid,
				"line %d of the tags: %q is not REPOSITORY, TAG and DIGEST with tabs between", n, lines.Text())
		case !validName(repo):
			err = errdefs.Errorf(errdefs.ErrInvalid, "line %d of the tags: %w", n, invalidName(repo))
		case !reference.ValidTag(tag):
			err = errdefs.Errorf(errdefs.ErrInvalid, "line %d of the tags: %q is no tag's name here", n, tag)
		case all[repo][tag] != "" && all[repo][tag] != dgst:
			err = errdefs.Errorf(errdefs.ErrInvalid, "line %d of the tags: %s:%s names %s above", n, repo, tag,
				all[repo][tag])
		}
		if err != nil {
			return nil, err
		}
		if all[repo] == nil {
			all[repo] = map[string]digest.Digest{}
		}
		all[repo][tag] = dgst
	}
	if err := lines.Err(); err != nil {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "reading the tags: %w", err)
	}
	if len(all) == 0 {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "there is no line in the file of tags")
	}
	return all, nil
}

// absent tells of repositories that have tags, and nothing in the storage.
func (m *migration) absent() {
	for repo := range m.Tags {
		if !slices.ContainsFunc(m.report.Repositories, func(r Repository) bool { return r.Name == repo }) {
			r := newRepository(m, repo)
			r.problem(errdefs.Errorf(errdefs.ErrNotFound, "repository %s has tags, and is not in the storage", repo))
			m.report.Repositories = append(m.report.Repositories, Repository{Name: repo, Count: r.count})
		}
	}
}

// given takes the tags of a repository from what was given.
func (r *repository) given() {
	for tag, dgst := range r.Tags[r.name] {
		r.count.Tags++
		r.tags[dgst] = append(r.tags[dgst], tag)
	}
	for _, tags := range r.tags {
		slices.Sort(tags)
	}
}
