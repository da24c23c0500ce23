package payload

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"cove/errdefs"
)

// Format is the shape of what is sent.
type Format string

// The formats.
const (
	Default     Format = "default" // Harbor's own
	CloudEvents Format = "cloudevents"
	Slack       Format = "slack"
	Teams       Format = "teams"
)

// Formats lists all formats.
func Formats() []Format { return []Format{Default, CloudEvents, Slack, Teams} }

// ParseFormat reads a format, "" being Default, or is errdefs.ErrInvalid.
func ParseFormat(text string) (Format, error) {
	f := Format(strings.ToLower(text))
	if f == "" {
		return Default, nil
	}
	if !slices.Contains(Formats(), f) {
		return "", errdefs.Errorf(errdefs.ErrInvalid, "format %q is none of %v", text, Formats())
	}
	return f, nil
}

// Place is where an event is sent from.
type Place struct {
	Host    string // of the registry, HOST[:PORT]
	Webhook int64  // its id
}

// Body is an event in a format, with the type of its content.
func Body(f Format, e Event, from Place) (contentType string, body []byte, err error) {
	e.Data = e.Data.located(from.Host)
	switch f {
	case CloudEvents:
		body, err = encode(cloudEvent(e, from))
		return "application/cloudevents+json", body, err
	case Slack:
		body, err = encode(chat{slackText.Replace(e.text()), false})
	case Teams:
		body, err = encode(card(e))
	default:
		body, err = encode(notification{e.Type, e.At.Unix(), e.Operator, e.Data})
	}
	return "application/json", body, err
}

// encode leaves & < and > as they are: names of people are read by people.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return bytes.TrimRight(b.Bytes(), "\n"), err
}

// chat is a message for Slack, in which no emphasis is looked for: names have "_" and "*".
type chat struct {
	Text   string `json:"text"`
	Markup bool   `json:"mrkdwn"`
}

// notification is Harbor's default format.
type notification struct {
	Type     Type   `json:"type"`
	OccurAt  int64  `json:"occur_at"`
	Operator string `json:"operator"`
	Data     Data   `json:"event_data"`
}

// cloud is an event of CloudEvents 1.0 in structured mode, as Harbor fills it in.
type cloud struct {
	Version     string `json:"specversion"`
	ID          string `json:"id"`
	Request     string `json:"requestid"`
	Source      string `json:"source"`
	Type        string `json:"type"`
	ContentType string `json:"datacontenttype"`
	Time        string `json:"time"`
	Data        Data   `json:"data"`
	Operator    string `json:"operator"`
}

func cloudEvent(e Event, from Place) cloud {
	c := cloud{
		Version: "1.0", ID: e.ID, Request: e.Request, ContentType: "application/json",
		Source: fmt.Sprintf("/projects/%d/webhook/policies/%d", e.Project, from.Webhook),
		Time:   e.At.UTC().Truncate(time.Second).Format(time.RFC3339), Data: e.Data, Operator: e.Operator,
	}
	for _, k := range kinds {
		if k.Type == e.Type {
			c.Type = k.cloud
		}
	}
	return c
}

// slackText escapes what means something in a message of Slack: links, mentions of people
// and channels; lines are one.
var slackText = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "\n", " ", "\r", " ")

// card is an Adaptive Card, as the workflows of Microsoft Teams take it.
func card(e Event) any {
	block := map[string]any{"type": "TextBlock", "text": teamsText.Replace(e.text()), "wrap": true}
	return map[string]any{
		"type": "message",
		"attachments": []any{map[string]any{
			"contentType": "application/vnd.microsoft.card.adaptive",
			"content": map[string]any{
				"$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
				"type":    "AdaptiveCard", "version": "1.4", "body": []any{block},
			},
		}},
	}
}

// teamsText escapes what begins a link or an emphasis in the Markdown of a card, what
// escapes it, what begins a list, a quotation or code, and the functions of a card, as
// {{DATE(…)}}.
var teamsText = strings.NewReplacer(`\`, `\\`, "[", `\[`, "]", `\]`, "*", `\*`, "_", `\_`, "`", "\\`", "{{", "{ {",
	"\n", " ", "\r", " ")
