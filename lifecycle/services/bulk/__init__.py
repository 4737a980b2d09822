"""One change of many customers that a person has chosen: selected, shown, confirmed, worked off."""
