// Package describe keeps what people say of repositories: a description in Markdown, which
// their pages begin with. It stays with a repository that is renamed or moved.
package describe

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"cove/errdefs"
	"cove/registry/audit"
	"cove/registry/auth"
	"cove/registry/auth/rights"
	"cove/registry/db"
	"cove/registry/metadata"
)

// Change is the right that a description takes. Who may read a repository reads it.
const Change = rights.Right("repository:update")

// Longest is how many characters a description has at most.
const Longest = 10_000

// Description is one; the zero Description is that of a repository without.
type Description struct {
	Text string
	By   string
	At   time.Time
}

// Service changes descriptions. It works beside running servers. Who may not gets the
// errors of auth.Judge's Permit.
type Service struct {
	db    *metadata.DB
	judge auth.Judge
}

// New changes the descriptions of a database.
func New(database *metadata.DB, judge auth.Judge) *Service { return &Service{database, judge} }

// Of is the description of a repository, whoever asks.
func Of(ctx context.Context, q db.Querier, repo string) (d Description, err error) {
	var at int64
	err = q.Row(ctx, `SELECT d.text, d.changed_by, d.changed_at FROM repositories r
		JOIN repository_descriptions d ON d.repository_id = r.id WHERE r.name = $1`, repo).Scan(&d.Text, &d.By, &at)
	if errors.Is(err, sql.ErrNoRows) {
		return Description{}, nil
	}
	d.At = time.UnixMicro(at).UTC()
	return d, db.Unavailable(err)
}

// Set describes a repository; "" takes the description away. Conditions are asked about
// the description as it is, within the transaction: the error of one is the answer.
func (s *Service) Set(
	ctx context.Context, by auth.Caller, repo, text string, conditions ...func(now Description) error,
) error {
	text, err := checked(repo, text)
	if err != nil {
		return err
	}
	return s.db.MakeRoom(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		if err := s.judge.Permit(ctx, tx, by, Change, repo); err != nil {
			return err
		}
		id, err := tx.Repository(ctx, repo)
		if err != nil {
			return err
		}
		now, err := Of(ctx, tx.Querier(), repo)
		if err != nil {
			return err
		}
		for _, met := range conditions {
			if err := met(now); err != nil {
				return err
			}
		}
		if now.Text == text {
			return nil
		}
		if text == "" {
			_, err = tx.Tx.Exec(ctx, "DELETE FROM repository_descriptions WHERE repository_id = $1", id)
		} else {
			_, err = tx.Tx.Exec(ctx, `INSERT INTO repository_descriptions (repository_id, text, changed_by, changed_at)
				VALUES ($1, $2, $3, $4) ON CONFLICT (repository_id) DO UPDATE
				SET text = excluded.text, changed_by = excluded.changed_by, changed_at = excluded.changed_at`,
				id, text, by.Name, db.Micros(tx.Now()))
		}
		if err != nil {
			return db.Unavailable(err)
		}
		return audit.Record(ctx, tx, by, audit.Change{Action: "repository.describe", Object: repo})
	})
}

// checked is a text as it is kept: lines end as they do everywhere, and none is empty at
// its end.
func checked(repo, text string) (string, error) {
	invalid := func(format string, args ...any) (string, error) {
		return "", errdefs.Errorf(errdefs.ErrInvalid, "description of "+repo+": "+format, args...)
	}
	if !utf8.ValidString(text) {
		return invalid("it is no UTF-8")
	}
	text = strings.TrimSpace(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text))
	if n := utf8.RuneCountInString(text); n > Longest {
		return invalid("it has %d characters; at most %d are kept", n, Longest)
	}
	odd := func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }
	if at := strings.IndexFunc(text, odd); at >= 0 {
		return invalid("it has the control character %q", text[at:at+1])
	}
	return text, nil
}
