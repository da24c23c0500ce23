package webhookcmd

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"cove/internal/cli/registrycmd/command"
	"cove/registry/api/webhooks"
)

// settings are the flags that say what a webhook is.
type settings struct {
	enabled, skip         bool
	payload               string
	events                []string
	secretStdin, headerIn bool
	unsigned, noHeader    bool
}

func (s *settings) flags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.BoolVar(&s.enabled, "enabled", true, "send, or be silent")
	flags.BoolVar(&s.skip, "insecure", false, "allow a certificate that nobody vouches for")
	flags.StringVar(&s.payload, "payload", "default", "what is sent: default (as Harbor), cloudevents, slack or teams")
	flags.StringArrayVar(
		&s.events,
		"event",
		nil,
		"an event, as push_artifact; may be given several times (default all)",
	)
	flags.BoolVar(
		&s.secretStdin,
		"secret-stdin",
		false,
		"sign with a secret of which the first line of standard input is",
	)
	flags.BoolVar(&s.headerIn, "auth-header-stdin", false,
		"send an Authorization header, which is the next line of standard input")
	flags.BoolVar(&s.unsigned, "no-secret", false, "sign no longer")
	flags.BoolVar(&s.noHeader, "no-auth-header", false, "send no Authorization header any more")
}

// spec is what the flags that were given say.
func (s *settings) spec(cmd *cobra.Command) (webhooks.Change, error) {
	given := cmd.Flags().Changed
	var c webhooks.Change
	if given("enabled") {
		c.Enabled = &s.enabled
	}
	if given("insecure") {
		c.SkipVerify = &s.skip
	}
	if given("payload") {
		c.Format = &s.payload
	}
	if given("event") {
		c.Events = &s.events
	}
	if s.secretStdin && s.unsigned || s.headerIn && s.noHeader {
		return c, command.Misused(cmd, errors.New("a secret is given and removed at once"))
	}
	input := bufio.NewReader(io.LimitReader(cmd.InOrStdin(), 64<<10))
	for _, secret := range []struct {
		read, none bool
		to         **string
	}{
		{s.secretStdin, s.unsigned, &c.Secret}, {s.headerIn, s.noHeader, &c.Authorization},
	} {
		switch {
		case secret.none:
			*secret.to = new("")
		case secret.read:
			line, err := input.ReadString('\n')
			if err != nil && !errors.Is(err, io.EOF) {
				return c, fmt.Errorf("reading the secret: %w", err)
			}
			*secret.to = new(strings.TrimRight(line, "\r\n"))
		}
	}
	_, err := c.Spec() // what is wrong with it is known before anybody is asked
	return c, err
}
