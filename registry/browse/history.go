package browse

import (
	"context"

	"github.com/opencontainers/go-digest"

	"cove/registry/auth"
	"cove/registry/db"
)

// TagHistory is the number of the newest entry in the history of all tags.
func (b *Browser) TagHistory(ctx context.Context) (n int64, err error) {
	err = b.db.Querier().Row(ctx, "SELECT COALESCE(MAX(id), 0) FROM tag_history").Scan(&n)
	return n, db.Unavailable(err)
}

// Range is a part of the tags' history: the entries after one, until another, at
// most N.
type Range struct {
	After, Until int64
	N            int
}

// DeletedTags lists the tags of a repository that the caller has deleted in a part
// of the history and that name nothing now, by the digest that they named.
func (b *Browser) DeletedTags(
	ctx context.Context, by auth.Caller, repo string, in Range,
) (map[digest.Digest][]string, error) {
	id, err := b.repository(ctx, by, repo)
	if err != nil {
		return nil, err
	}
	gone := map[digest.Digest][]string{}
	// the plus keeps SQLite from the index that leads to all of a repository's history
	err = db.Each(ctx, b.db.Querier(), func(row db.Scanner) (bool, error) {
		var tag, dgst string
		if err := row.Scan(&tag, &dgst); err != nil {
			return false, err
		}
		gone[digest.Digest(dgst)] = append(gone[digest.Digest(dgst)], tag)
		return true, nil
	}, `SELECT h.name, h.previous FROM tag_history h
		WHERE h.id > $1 AND h.id <= $2 AND +h.repository_id = $3 AND h.actor = $4 AND h.digest = ''
			AND NOT EXISTS (SELECT 1 FROM tags t WHERE t.repository_id = h.repository_id AND t.name = h.name)
		ORDER BY h.id LIMIT $5`, in.After, in.Until, id, by.Name, in.N)
	return gone, err
}
