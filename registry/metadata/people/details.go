package people

import (
	"context"

	"cove/registry/db"
)

// Details are what programs that manage people keep of a user beside the account. Nothing
// is sent to the address, and nobody signs in by it.
type Details struct{ Email, Realname, Comment string }

// Details are those of a user; zero when nobody has said any.
func (q Queries) Details(ctx context.Context, userID int64) (d Details, err error) {
	all, err := db.All(ctx, q.Q, func(s db.Scanner) (d Details, err error) {
		return d, s.Scan(&d.Email, &d.Realname, &d.Comment)
	}, "SELECT email, realname, comment FROM user_details WHERE user_id = $1", userID)
	if err != nil || len(all) == 0 {
		return Details{}, err
	}
	return all[0], nil
}

// SetDetails gives a user these in the place of what there was.
func (w Writer) SetDetails(ctx context.Context, userID int64, d Details) error {
	_, err := w.Tx.Exec(ctx, `INSERT INTO user_details (user_id, email, realname, comment) VALUES ($1, $2, $3, $4)
		ON CONFLICT (user_id) DO UPDATE SET email = excluded.email, realname = excluded.realname,
			comment = excluded.comment`, userID, d.Email, d.Realname, d.Comment)
	return db.Unavailable(err)
}
