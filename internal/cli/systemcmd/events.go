package systemcmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"cove/engine"
	"cove/engine/dockertypes"
	"cove/errdefs"
	"cove/internal/cli/app"
	"cove/internal/cli/output"
	"cove/internal/cli/verbs"
)

// Events prints what happens, as it happens.
func Events(a *app.App) *cobra.Command {
	var since, until, format string
	var filters []string
	cmd := &cobra.Command{
		Use:   "events [flags]",
		Short: "Print what happens to containers, images, networks and volumes, as it happens",
		Example: "  events\n  events --since 10m --until 0s\n" +
			"  events --filter type=container --filter event=die --format '{{.Actor.Attributes.name}}'",
		Args: app.NoArgs(),
	}
	fs := cmd.Flags()
	fs.StringVar(&since, "since", "", "also what happened since: 10m, or 2006-01-02T15:04:05Z")
	fs.StringVar(&until, "until", "", "end when this time has come")
	fs.StringArrayVarP(&filters, "filter", "f", nil,
		"only what KEY=VALUE holds for: container, event, image, label, network, scope, type, volume")
	fs.StringVar(&format, "format", "", "json, or a Go template")
	cmd.RunE = func(cmd *cobra.Command, _ []string) (err error) {
		o := engine.EventOptions{}
		if o.Filter, err = verbs.Terms(filters); err != nil {
			return err
		}
		if err := checkFormat(format); err != nil {
			return err
		}
		now := time.Now()
		if o.Since, err = verbs.Moment("--since", since, now); err != nil {
			return err
		}
		if o.Until, err = verbs.Moment("--until", until, now); err != nil {
			return err
		}
		if !o.Since.IsZero() && !o.Until.IsZero() && o.Since.After(o.Until) {
			return errdefs.Errorf(errdefs.ErrInvalid, "`since` time (%s) cannot be after `until` time (%s)",
				since, until)
		}
		eng, err := a.Engine()
		if err != nil {
			return err
		}
		stream, err := eng.Events(o)
		if err != nil {
			return err
		}
		defer stream.Close()
		return app.Left(cmd.Context(), printEvents(cmd.Context(), a.Out, stream, format))
	}
	return cmd
}

// badFormat is what docker exits with when events cannot be shown as asked.
const badFormat = 64

// checkFormat says at once what is wrong with a format, before anything has happened.
func checkFormat(format string) error {
	if format == "" {
		return nil
	}
	if err := output.Object(io.Discard, format, dockertypes.Event{}); err != nil {
		// docker says it once, in words of events alone.
		_, why, _ := strings.Cut(err.Error(), "template parsing error: ")
		return &app.Exit{Code: badFormat, Err: errdefs.Errorf(errdefs.ErrInvalid, "Error parsing format: %s", why)}
	}
	return nil
}

func printEvents(ctx context.Context, w io.Writer, stream *engine.EventStream, format string) error {
	for {
		e, err := stream.Next(ctx)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case format == "":
			_, err = fmt.Fprintln(w, eventLine(e))
		default:
			err = output.Object(w, format, e)
		}
		if err != nil {
			return err
		}
	}
}

// eventLine is docker's form of an event for people.
func eventLine(e dockertypes.Event) string {
	at := time.Unix(0, e.TimeNano).Local().Format("2006-01-02T15:04:05.000000000Z07:00")
	line := fmt.Sprintf("%s %s %s %s", at, e.Type, e.Action, e.Actor.ID)
	var pairs []string
	for _, key := range slices.Sorted(maps.Keys(e.Actor.Attributes)) {
		pairs = append(pairs, key+"="+e.Actor.Attributes[key])
	}
	if len(pairs) > 0 {
		line += " (" + strings.Join(pairs, ", ") + ")"
	}
	return line
}
