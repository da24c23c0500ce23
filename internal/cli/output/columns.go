package output

import (
	"fmt"
	"io"
	"strings"

	"cove/internal/cli/terminal"
)

// Columns aligns lines of cells that tabs separate. It measures in the cells of
// a terminal, where a Chinese letter takes two, and lets no control character
// through. The last cell of a line is as long as it is.
type Columns struct {
	out     io.Writer
	least   int // the least width of a column
	rows    [][]string
	partial string
}

// gap is between two columns.
const gap = 3

// NewColumns begins a table; Flush prints it.
func NewColumns(out io.Writer, least int) *Columns { return &Columns{out: out, least: least} }

// Write takes text with lines and tabs.
func (c *Columns) Write(p []byte) (int, error) {
	lines := strings.Split(c.partial+string(p), "\n")
	c.partial = lines[len(lines)-1]
	for _, line := range lines[:len(lines)-1] {
		c.add(line)
	}
	return len(p), nil
}

func (c *Columns) add(line string) {
	cells := strings.Split(line, "\t")
	for i := range cells {
		cells[i] = terminal.Clean(cells[i])
	}
	c.rows = append(c.rows, cells)
}

// Flush prints the lines.
func (c *Columns) Flush() error {
	if c.partial != "" {
		c.add(c.partial)
	}
	var widths []int
	for _, row := range c.rows {
		for i, cell := range row[:len(row)-1] {
			if i == len(widths) {
				widths = append(widths, c.least)
			}
			widths[i] = max(widths[i], terminal.Width(cell)+gap)
		}
	}
	var text strings.Builder
	for _, row := range c.rows {
		for i, cell := range row[:len(row)-1] {
			text.WriteString(terminal.Pad(cell, widths[i]))
		}
		fmt.Fprintln(&text, row[len(row)-1])
	}
	c.rows, c.partial = nil, ""
	_, err := io.WriteString(c.out, text.String())
	return err
}
