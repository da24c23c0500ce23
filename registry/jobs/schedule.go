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
	following := func(t time.Time) time.Time { return times.Next(t.In(in)) }
	if _, fixed := times.(*cron.SpecSchedule); fixed && !everyHour(text) {
		following = func(t time.Time) time.Time { return nextOnClock(times, in, t) }
	}
	next := following(now)
	if next.IsZero() {
		return time.Time{}, invalid("there is no such day")
	}
	if after := following(next); !after.IsZero() && after.Sub(next) < closest {
		return time.Time{}, invalid("it comes more than once a minute")
	}
	return next.UTC(), nil
}

// everyHour says of a schedule that its hours are not named, so that it goes by the time
// that passes, and not by what clocks on the wall show.
func everyHour(text string) bool {
	fields := strings.Fields(text)
	return text == "@hourly" || len(fields) >= 5 && strings.HasPrefix(fields[len(fields)-4], "*")
}

// nextOnClock is the first time after t at which clocks of a place show what a schedule
// says. One that they skip in spring is when they have skipped it, and of one that they
// show twice in autumn the first counts: a nightly job is done each night, once.
func nextOnClock(times cron.Schedule, in *time.Location, t time.Time) time.Time {
	for shown := shownAs(t.In(in)); ; {
		if shown = times.Next(shown); shown.IsZero() {
			return shown
		}
		if at := firstShown(shown, in); at.After(t) {
			return at
		}
	}
}

// shownAs is what clocks show at a time, as a time of UTC.
func shownAs(t time.Time) time.Time {
	year, month, day := t.Date()
	return time.Date(year, month, day, t.Hour(), t.Minute(), t.Second(), 0, time.UTC)
}

// firstShown is when clocks of a place show a time first, or have skipped it.
func firstShown(shown time.Time, in *time.Location) time.Time {
	_, around := time.Unix(shown.Unix(), 0).In(in).Zone()
	near := shown.Add(-time.Duration(around) * time.Second).In(in)
	begin, end := near.ZoneBounds()
	var first time.Time
	for _, at := range []time.Time{near, begin.Add(-time.Second), end} {
		_, offset := at.In(in).Zone()
		if c := shown.Add(-time.Duration(offset) * time.Second).In(in); !at.IsZero() && shownAs(c).Equal(shown) &&
			(first.IsZero() || c.Before(first)) {
			first = c
		}
	}
	switch {
	case !first.IsZero():
		return first
	case shownAs(near).After(shown):
		return begin
	}
	return end
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

// nextAgain corrects schedules whose next time comes after what is their next one now.
func nextAgain(ctx context.Context, tx *metadata.Tx) error {
	all, err := db.All(ctx, tx.Tx, scanSchedule, selectSchedules)
	for _, s := range all {
		if err != nil {
			break
		}
		// A minute is for servers whose clocks differ a little: no time is to come twice.
		next, wrong := NextTime(s.Cron, s.Zone, tx.Now())
		if wrong != nil || !next.Before(s.Next.Add(-time.Minute)) {
			continue
		}
		_, err = tx.Tx.Exec(ctx, "UPDATE schedules SET next_at = $3 WHERE kind = $1 AND subject = $2", s.Kind, s.Subject,
			db.Micros(next))
		err = db.Unavailable(err)
	}
	return err
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
