package results

import (
	"context"
	"time"

	"cove/registry/db"
)

// Chosen is an image that was scanned, in a repository.
type Chosen struct {
	Repository string
	Tags       []string // of those that were asked for, some
	Scan
}

// Choice says which images Each is about.
type Choice struct {
	Project string // "" is all
	// Repository says whether those of one are wanted; Tag, unless it is nil, which tag an
	// image must have.
	Repository func(name string) (bool, error)
	Tag        func(name string) bool
}

// Each calls do with each image that was scanned, by repository and digest. What comes and
// goes meanwhile may be among them or not.
func (b *Book) Each(ctx context.Context, want Choice, do func(Chosen) error) error {
	type repository struct {
		id   int64
		name string
	}
	scanned := func(row db.Scanner) (r repository, err error) {
		err = row.Scan(&r.id, &r.name)
		return r, err
	}
	from, args := "repositories r WHERE r.name > $1", []any{""}
	if want.Project != "" {
		from += " AND r.project_id = (SELECT p.id FROM projects p WHERE p.name = $2)"
		args = append(args, want.Project)
	}
	for {
		some, err := db.All(ctx, b.db.Querier(), scanned,
			"SELECT r.id, r.name FROM "+from+" ORDER BY r.name LIMIT 100", args...)
		if err != nil || len(some) == 0 {
			return err
		}
		for _, r := range some {
			wanted, err := want.Repository(r.name)
			if err == nil && wanted {
				err = b.eachOf(ctx, r.id, r.name, want.Tag, do)
			}
			if err != nil {
				return err
			}
		}
		args[0] = some[len(some)-1].name
	}
}

// eachOf is Each for one repository.
func (b *Book) eachOf(
	ctx context.Context, id int64, name string, tag func(string) bool, do func(Chosen) error,
) error {
	scanned := func(row db.Scanner) (c Chosen, err error) {
		var at int64
		err = row.Scan(c.fields(&at)...)
		c.At, c.Repository = time.UnixMicro(at), name
		return c, err
	}
	for last := ""; ; {
		// The page is taken first: else PostgreSQL may read all artifacts on the way to it.
		some, err := db.All(ctx, b.db.Querier(), scanned, "SELECT "+columns+` FROM (SELECT l.digest FROM scan_listed l
				WHERE l.repository_id = $1 AND l.digest > $2 ORDER BY l.digest LIMIT 100) chosen
			CROSS JOIN scan_artifacts a WHERE a.digest = chosen.digest ORDER BY chosen.digest`, id, last)
		if err != nil || len(some) == 0 {
			return err
		}
		for _, c := range some {
			if c.Tags, err = b.tagsOf(ctx, id, c.Digest.String(), tag); err == nil && (tag == nil || len(c.Tags) > 0) {
				err = do(c)
			}
			if err != nil {
				return err
			}
		}
		last = some[len(some)-1].Digest.String()
	}
}

// tagsOf are some of the tags of an image, of those that are wanted.
func (b *Book) tagsOf(
	ctx context.Context, id int64, dgst string, wanted func(string) bool,
) (tags []string, err error) {
	const some = 20
	err = db.Each(ctx, b.db.Querier(), func(row db.Scanner) (bool, error) {
		var name string
		err := row.Scan(&name)
		if wanted == nil || wanted(name) {
			tags = append(tags, name)
		}
		return len(tags) < some, err
	}, "SELECT name FROM tags WHERE repository_id = $1 AND digest = $2 ORDER BY name", id, dgst)
	return tags, err
}
