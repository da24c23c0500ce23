package audit

import (
	"context"
	"time"

	"cove/registry/auth"
	"cove/registry/db"
)

// Forward is how far a receiver of the log is.
type Forward struct {
	Receiver string
	SentAt   time.Time // when the last line was written that it has
	// Waiting is how many lines it has not got yet, of which no more than 1,001 are
	// counted, and Lost how many it never gets, because the log forgot them before.
	Waiting, Lost int64
	FailedAt      time.Time // zero if it took lines, the last time
	Error         string
}

// Ill says that the receiver does not take lines.
func (f Forward) Ill() bool { return !f.FailedAt.IsZero() }

// Forwards lists the receivers of the log by name. Errors are those of Newest.
func (l *Log) Forwards(ctx context.Context, by auth.Caller) ([]Forward, error) {
	if err := l.judge.Permit(ctx, l.db, by, auth.ReadAudit, ""); err != nil {
		return nil, err
	}
	return db.All(ctx, l.db.Querier(), func(row db.Scanner) (f Forward, err error) {
		var sent, failed int64
		err = row.Scan(&f.Receiver, &sent, &f.Lost, &failed, &f.Error, &f.Waiting)
		f.SentAt = db.TimeOf(sent)
		if failed != 0 {
			f.FailedAt = time.UnixMicro(failed)
		}
		return f, err
	}, `SELECT f.receiver, f.sent, f.lost, f.failed_at, f.error,
			(SELECT COUNT(*) FROM (SELECT 1 FROM audit a WHERE a.id > f.sent LIMIT 1001) AS changes)
			+ (SELECT COUNT(*) FROM (SELECT 1 FROM activity a WHERE a.id > f.sent LIMIT 1001) AS activities)
		FROM audit_forwards f ORDER BY f.receiver`)
}
