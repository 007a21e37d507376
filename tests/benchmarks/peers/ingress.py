"""Servers that are used instead of Stemvault's ingress. Redis is at REDIS_URL.

gunicorn 'ingress:bare()'          answers, and keeps nothing: the upper limit
gunicorn 'ingress:delay()'         Celery's task.delay
gunicorn 'ingress:lpush()'         a plain LPUSH
uvicorn --factory ingress:fastapi  the same in FastAPI
"""

import json
import os

REDIS_URL = os.environ["REDIS_URL"]
LIST = "peers"


def bare():
    from flask import Flask, jsonify, request

    app = Flask(__name__)

    @app.post("/callbacks")
    def receive():
        request.get_json()
        return jsonify(status="received")

    return app


def delay():
    from celery import Celery
    from flask import Flask, jsonify, request

    app = Flask(__name__)
    celery = Celery("peers", broker=REDIS_URL)
    celery.conf.update(task_default_queue=LIST, task_ignore_result=True)

    @celery.task(name="archive")
    def archive(callback):
        return None

    @app.post("/callbacks")
    def receive():
        archive.delay(request.get_json())
        return jsonify(status="received")

    return app


def lpush():
    import redis
    from flask import Flask, jsonify, request

    app = Flask(__name__)
    client = redis.Redis.from_url(REDIS_URL)

    @app.post("/callbacks")
    def receive():
        client.lpush(LIST, json.dumps(request.get_json()))
        return jsonify(status="received")

    return app


def fastapi():
    import redis.asyncio
    from fastapi import FastAPI, Request

    app = FastAPI()
    client = redis.asyncio.Redis.from_url(REDIS_URL)

    @app.post("/callbacks")
    async def receive(request: Request):
        await client.lpush(LIST, json.dumps(await request.json()))
        return {"status": "received"}

    return app
