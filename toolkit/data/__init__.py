"""From files to stored discharges: schema, formats, rules, intake."""
