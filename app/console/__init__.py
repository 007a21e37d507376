"""The console: a private WSGI application beside the public ingress. Its door is ``create_app``.

``access`` checks the administrator's token. ``tasks`` registers submitted tasks for watching and gives their state;
``entries`` reads the body with which they are registered. ``submissions`` forwards a request to the provider and has
the new task watched; ``paths`` lists the requests that it forwards, and ``keeping`` has a task watched in Redis, or
keeps it in the bucket while Redis is away. Start it with
``gunicorn -c python:config.console_gunicorn 'app.console:create_app()'``.
"""

from app.console.application import create_app

__all__ = ["create_app"]
