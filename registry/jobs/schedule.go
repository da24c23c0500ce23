package jobs

import (
	"cmp"
	"context"
	"encoding/json"
	"strings"
	"time"
	_ "time/tzdata" // an image of the registry has no files of time zones

	"github.com/robfig/cron/v3"

	"cove/errdefs"
	"cove/registry/db"
	"cove/registry/metadata"
)

// Schedule adds a job of a kind for a subject whenever its time comes. A time that
// passed while no server ran is made up for once.
type Schedule struct {
	Kind, Subject, Project, By string
	Cron                       string // "30 3 * * *", "@daily"; also with a first field for seconds
	Zone                       string // as "Europe/Berlin"; "" is UTC
	Args                       json.RawMessage
	Next                       time.Time
}

// closest is how near to each other two times of a schedule may be.
const closest = time.Minute

var syntax = cron.NewParser(
	cron.SecondOptional | cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Descriptor)

// NextTime is the first time of a schedule after now. A text that is none, a zone
// that nobody knows, and times that are too near to each other are
// errdefs.ErrInvalid.
func NextTime(text, zone string, now time.Time) (time.Time, error) {
	in := time.UTC
	if zone != "" {
		var err error
		if in, err = time.LoadLocation(zone); err != nil || zone == "Local" {
			return time.Time{}, errdefs.Errorf(errdefs.ErrInvalid,
				"time zone %q is not known; use a name as Europe/Berlin, or UTC", zone)
		}
	}
	invalid := func(why string) error {
		return errdefs.Errorf(errdefs.ErrInvalid,
			`schedule %q: %s; use minute, hour, day of month, month and day of week, as "30 3 * * *", or @daily`, text, why)
	}
	if strings.Contains(text, "TZ=") {
		return time.Time{}, invalid("the time zone is a field of its own")
	}
	times, err := syntax.Parse(text)
	if err != nil {
		return time.Time{}, invalid(err.Error())
	}
	next := times.Next(now.In(in))
	if next.IsZero() {
		return time.Time{}, invalid("there is no such day")
	}
	if after := times.Next(next); !after.IsZero() && after.Sub(next) < closest {
		return time.Time{}, invalid("it comes more than once a minute")
	}
	return next.UTC(), nil
}

// SetSchedule keeps a schedule in the place of the one of its kind and subject.
func SetSchedule(ctx context.Context, tx *metadata.Tx, s Schedule) error {
	next, err := NextTime(s.Cron, s.Zone, tx.Now())
	if err != nil {
		return err
	}
	_, err = tx.Tx.Exec(ctx, `INSERT INTO schedules (kind, subject, project, created_by, cron, zone, args, next_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (kind, subject) DO UPDATE SET project = excluded.project,
		created_by = excluded.created_by, cron = excluded.cron, zone = excluded.zone, args = excluded.args,
		next_at = excluded.next_at`,
		s.Kind, s.Subject, s.Project, s.By, s.Cron, s.Zone, string(s.Args), db.Micros(next))
	return db.Unavailable(err)
}

// RemoveSchedule removes a schedule; one that is not there is no error.
func RemoveSchedule(ctx context.Context, tx *metadata.Tx, kind, subject string) error {
	_, err := tx.Tx.Exec(ctx, "DELETE FROM schedules WHERE kind = $1 AND subject = $2", kind, subject)
	return db.Unavailable(err)
}

const selectSchedules = "SELECT kind, subject, project, created_by, cron, zone, args, next_at FROM schedules "

func scanSchedule(row db.Scanner) (s Schedule, err error) {
	var args string
	var next int64
	err = row.Scan(&s.Kind, &s.Subject, &s.Project, &s.By, &s.Cron, &s.Zone, &args, &next)
	s.Args, s.Next = json.RawMessage(cmp.Or(args, "null")), time.UnixMicro(next)
	return s, err
}

// ScheduleOf is the schedule of a kind and subject; false without one.
func ScheduleOf(ctx context.Context, q db.Querier, kind, subject string) (Schedule, bool, error) {
	all, err := db.All(ctx, q, scanSchedule, selectSchedules+"WHERE kind = $1 AND subject = $2", kind, subject)
	if err != nil || len(all) == 0 {
		return Schedule{}, false, err
	}
	return all[0], true, nil
}

// addDue adds the jobs of schedules whose time has come.
func addDue(ctx context.Context, tx *metadata.Tx) error {
	const batch = 100
	due, err := db.All(ctx, tx.Tx, scanSchedule, selectSchedules+"WHERE next_at <= $1 ORDER BY next_at LIMIT $2"+
		tx.Tx.SkipLocked, db.Micros(tx.Now()), batch)
	if err != nil {
		return err
	}
	for _, s := range due {
		next, err := NextTime(s.Cron, s.Zone, tx.Now())
		if err != nil { // it was checked; perhaps another release knew the zone
			next = tx.Now().Add(24 * time.Hour)
		}
		if _, err := tx.Tx.Exec(ctx, "UPDATE schedules SET next_at = $3 WHERE kind = $1 AND subject = $2",
			s.Kind, s.Subject, db.Micros(next)); err != nil {
			return db.Unavailable(err)
		}
		// One that still runs is the work of this time too.
		_, _, err = insert(ctx, tx.Tx, Job{
			Kind: s.Kind, Subject: s.Subject, Project: s.Project, By: s.By, Args: s.Args, alone: true,
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Keep adds schedules where they are not there as they are now. The others keep
// their next time: a restart must not put it off.
func Keep(ctx context.Context, database *metadata.DB, schedules ...Schedule) error {
	return database.MakeRoom(ctx, func(ctx context.Context, tx *metadata.Tx) error {
		for _, own := range schedules {
			there, found, err := ScheduleOf(ctx, tx.Querier(), own.Kind, own.Subject)
			if err == nil && (!found || there.Cron != own.Cron) {
				err = SetSchedule(ctx, tx, own)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}
