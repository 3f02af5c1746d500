"""A web page for the operator: the fleet, its roll-outs, and the cracks that it finds. It looks and changes nothing."""
