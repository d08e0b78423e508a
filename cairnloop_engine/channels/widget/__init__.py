"""The chat widget: a websocket server with a page of its own and a script to embed it."""
